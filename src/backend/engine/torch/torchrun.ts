/** How `lathe_torch` is started: as one process, through torchrun, or as one of the processes of a scheduler. */
import type { Scheduler } from "../../../protocol/scheduler";
import { countProcesses, type ParallelOptions } from "../../../schema/parallel";
import { createPythonLaunch, type PythonLaunch } from "./interpreter";

export interface TorchLaunch {
  /** A device of PyTorch, such as `cuda`. */
  readonly device: string;
  /** CPU threads per operation; 0 is PyTorch's default. */
  readonly threads: number;
  readonly parallel?: ParallelOptions | undefined;
  /** The number of this machine, from 0. */
  readonly node?: number;
  readonly scheduler?: Scheduler | undefined;
}

export function createTorchLaunch(launch: TorchLaunch): PythonLaunch {
  const { device, threads, parallel, scheduler } = launch;
  const count = countProcesses(parallel);
  const own = ["--device", device, "--threads", String(threads)];
  if (parallel === undefined || count === 1) return createPythonLaunch("lathe_torch", own);
  const shared = [...own, "--processes", String(count), "--sharding", parallel.sharding];
  const { rank } = scheduler ?? {};
  if (scheduler !== undefined && rank !== undefined) {
    const { args, options } = createPythonLaunch("lathe_torch", shared);
    return {
      args,
      options: { ...options, env: { ...options.env, ...createRankVariables(scheduler, count) } },
    };
  }
  return createPythonLaunch("torch.distributed.run", [
    ...["--nproc-per-node", String(parallel.processes)],
    // A process that ends loses its part of the tensors: the run resumes from its last checkpoint instead.
    ...["--max-restarts", "0"],
    ...listRendezvous(parallel, launch.node ?? 0),
    ...["-m", "lathe_torch"],
    ...shared,
  ]);
}

function listRendezvous({ nodes, rendezvous = "" }: ParallelOptions, node: number): string[] {
  if (nodes === 1) return ["--standalone"];
  const [host, port] = splitAddress(rendezvous);
  return [
    ...["--nnodes", String(nodes), "--node-rank", String(node)],
    ...["--master-addr", host, "--master-port", port],
  ];
}

/** What torchrun sets for each process, where the scheduler has started them itself. */
function createRankVariables({ rank, localRank, rendezvous }: Scheduler, count: number) {
  const [host, port] = splitAddress(rendezvous);
  return {
    RANK: String(rank),
    LOCAL_RANK: String(localRank),
    WORLD_SIZE: String(count),
    MASTER_ADDR: host,
    MASTER_PORT: port,
  };
}

function splitAddress(rendezvous: string): readonly [host: string, port: string] {
  const colon = rendezvous.lastIndexOf(":");
  return [rendezvous.slice(0, colon), rendezvous.slice(colon + 1)];
}

/** Threads of each process on a machine whose processes share `threads`. */
export function shareThreads(threads: number, parallel: ParallelOptions | undefined): number {
  return threads === 0 ? 0 : Math.max(1, Math.floor(threads / (parallel?.processes ?? 1)));
}

/**
 * Which of several processes ended first and why, from what they and torchrun have written to standard error; undefined
 * if that does not show it.
 */
export function findEndedProcess(output: string): string | undefined {
  const own = /^lathe-process (\d+): (.*)$/m.exec(output);
  if (own !== null) return `process ${own[1]} ended: ${own[2]!.trim()}`;
  const first = output.slice(Math.max(0, output.lastIndexOf("Root Cause")));
  const rank = /^\s*rank\s*:\s*(\d+)/m.exec(first)?.[1];
  const code = /^\s*exitcode\s*:\s*(-?\d+)/m.exec(first)?.[1];
  if (rank === undefined || code === undefined) return undefined;
  return `process ${rank} ${code.startsWith("-") ? `was killed by signal ${code.slice(1)}` : `ended with status ${code}`}`;
}
