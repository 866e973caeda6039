"""Generate a dataset of labelled necks: `cervjax label`, whose options it takes.

python experiments/generate_dataset.py --out results/dataset --plan.persons 125000
"""

from cervjax.commands import run_command

if __name__ == "__main__":
    run_command("label")
