"""Random rows of a dataset against OpenSim: `cervjax crosscheck`, whose options it takes.

python experiments/crosscheck_dataset.py results/dataset --rows 200
"""

from cervjax.commands import run_command

if __name__ == "__main__":
    run_command("crosscheck")
