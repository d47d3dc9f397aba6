"""The likelihoods that a dataset may ask for. Imports nothing."""

COUNT_LIKELIHOODS = ("negative_binomial", "zero_inflated_negative_binomial")
LIKELIHOODS = ("bernoulli", "normal", *COUNT_LIKELIHOODS)  # how the book calls them: workflow/catalogue/names.yaml
