# Choose the graphics card of a job, on a machine with several. Bash reads this before the command of each step.
#
# GMVAE_GPU_PLACES has one word for each job that may run at once: the card that it is to use. The job takes the first free place
# and holds it by a lock, which the system opens when the job ends, in whatever way. The locks are those of all workflows of this
# user on this machine. On a cluster the cards of a job are Slurm's to choose.

case "${BASH_EXECUTION_STRING-}" in
    *" --device "*) # the steps that compute on a card are those with this option
        if [ -z "${SLURM_JOB_ID-}" ] && command -v flock > /dev/null; then
            gpu_locks="${TMPDIR:-/tmp}/gmvae-gpu-$(id -u)"
            mkdir -p -m 700 "$gpu_locks"
            while [ -z "${gpu_place-}" ]; do
                declare -A gpu_jobs=()
                for gpu_card in $GMVAE_GPU_PLACES; do
                    gpu_jobs[$gpu_card]=$((${gpu_jobs[$gpu_card]:-0} + 1))
                    exec {gpu_lock}> "$gpu_locks/$gpu_card.${gpu_jobs[$gpu_card]}"
                    if flock --nonblock "$gpu_lock"; then
                        gpu_place=$gpu_card
                        break
                    fi
                    exec {gpu_lock}>&-
                done
                [ -n "${gpu_place-}" ] || sleep 1
            done
            export CUDA_VISIBLE_DEVICES="$gpu_place"
        fi
        ;;
esac
