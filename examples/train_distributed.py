"""Trains on several processes, with the batch shared out among them: DDP, or FSDP2 with the weights sharded too.

torchrun --nproc-per-node 2 examples/train_distributed.py [--wrap fsdp] [--steps 20] [--save weights.pt]

Without torchrun it is one process with the whole batch, and comes to the same weights.
"""

import argparse
import os

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import fully_shard
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

import torchconv
from torchconv.demo.digits import load_digits

BATCH = 64  # of all processes together


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        torchconv.nn.Conv2d(1, 16, 5, stride=2, padding="same"),
        nn.ReLU(),
        torchconv.nn.Conv2d(16, 16, 3, padding=1, groups=16),
        torchconv.nn.Conv2d(16, 32, 1),
        nn.ReLU(),
        torchconv.nn.ConvTranspose2d(32, 8, 2, stride=2),
        nn.ReLU(),
        torchconv.nn.Conv2d(8, 16, 3, stride=2, padding="same"),
        nn.Flatten(),
        nn.Linear(16 * 14 * 14, 10),
    )


def train(options: argparse.Namespace, rank: int, world: int) -> None:
    # Half a batch may be worth another algorithm than all of it, whose rounding takes sums to the other side of a ReLU.
    torchconv.set_precision("direct")
    x, y = load_digits()
    model = network()
    if world > 1 and options.wrap == "ddp":
        model = DistributedDataParallel(model)
    elif world > 1:
        mesh = dist.init_device_mesh("cpu", (world,))
        for layer in model:
            if next(layer.parameters(), None) is not None:
                fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    for step in range(options.steps):
        batch = torch.arange(step * BATCH, (step + 1) * BATCH) % 4000
        mine = batch.chunk(world)[rank]
        loss = F.cross_entropy(model(x[mine]), y[mine])
        optimizer.zero_grad()
        loss.backward()  # averages the gradients over the processes
        optimizer.step()
        if rank == 0 and step % 5 == 0:
            print(f"step {step}: loss {loss.item():.4f}")
    state = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if rank == 0 and options.save:
        torch.save(state, options.save)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wrap", choices=("ddp", "fsdp"), default="ddp")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--save", help="a file for the weights")
    options = parser.parse_args()
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if world > 1:
        dist.init_process_group("gloo")
    train(options, rank, world)
    if world > 1:  # what train() had is gone: a model that outlives its group may abort the process as it ends
        dist.barrier()
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
