/** How a training is spread over processes, each with a processor's threads or a card of its own. */
import * as z from "zod";

export const shardings = ["none", "optimizer", "full"] as const;
export type Sharding = (typeof shardings)[number];

const processCount = z.int().min(1).max(4096);

export const parallelSchema = z
  .strictObject({
    processes: processCount
      .default(1)
      .describe(
        "Processes on each machine, one for each card. They share every batch, so `per_device_train_batch_size` has to be divisible by the processes of all machines.",
      ),
    nodes: processCount.default(1).describe("Machines."),
    rendezvous: z
      .string()
      .regex(/^[^\s:/]+:\d{1,5}$/, "has to be the address of a machine and a port, such as host-a:29500")
      .optional()
      .describe(
        "Where the processes of several machines find each other: the address of the first machine and a free port, such as `host-a:29500`. SLURM and torchrun provide it.",
      ),
    sharding: z
      .enum(shardings)
      .default("none")
      .describe(
        "What is divided among the processes besides the batch: nothing (`none`), gradients and the optimizer's state (`optimizer`), or also the weights (`full`).",
      ),
  })
  .describe(
    "Processes that train together, through PyTorch's `torchrun`. Their number changes no result: the batch is that of all processes together. Needs a device of PyTorch.",
  );

export type ParallelOptions = z.infer<typeof parallelSchema>;

/** Processes on all machines together. */
export function countProcesses(options: Pick<ParallelOptions, "processes" | "nodes"> | undefined): number {
  return options === undefined ? 1 : options.processes * options.nodes;
}
