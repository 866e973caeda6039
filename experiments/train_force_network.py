"""Train one force network: `cervjax train`, whose options it takes.

python experiments/train_force_network.py --out results/networks/physics
"""

from cervjax.commands import run_command

if __name__ == "__main__":
    run_command("train")
