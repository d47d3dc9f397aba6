"""Step: typeset one diagram as a PDF of its size, which the book only places: TikZ takes longer than the text does."""

import shutil
import tempfile
from pathlib import Path

from gmvae.formats.writing import write_atomically
from gmvae.pipeline.command import run_step
from gmvae.thesis.latex import check_installed, run_pdflatex


def typeset_diagram(main: Path, diagram: str, output: Path) -> None:
    """Run pdflatex on one diagram, and put the PDF in its place.

    Args:
        main: What surrounds each diagram, thesis/diagram.tex. It reads diagrams/DIAGRAM.tex of its own folder.
        diagram: Name of the diagram.
        output: The PDF to write, results/diagrams/DIAGRAM.pdf.

    Raises:
        Refused: pdflatex or a LaTeX package is not installed; an error in the diagram.
    """
    check_installed(("pdflatex",), output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{diagram}.", dir=output.parent) as build:
        run_pdflatex(main, Path(build), diagram)
        with write_atomically(output) as temporary:
            shutil.copyfile(Path(build, f"{diagram}.pdf"), temporary)


if __name__ == "__main__":
    run_step(typeset_diagram)
