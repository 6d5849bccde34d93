/** Reads what SLURM, torchrun or another scheduler has set in the environment of a process that it started. */
import { WorkbenchError } from "../../../protocol/errors";
import type { Scheduler } from "../../../protocol/scheduler";

type Environment = Readonly<Record<string, string | undefined>>;

const defaultPort = 29_500;

/**
 * Undefined if the process was started alone. `RANK` and `WORLD_SIZE`, which torchrun, Kubernetes and MPI launchers set,
 * take precedence over SLURM's variables. Throws `invalid-input` for values that do not fit together.
 */
export function readScheduler(environment: Environment = process.env): Scheduler | undefined {
  return environment.RANK !== undefined && environment.WORLD_SIZE !== undefined
    ? readRanks(environment)
    : readSlurm(environment);
}

function readRanks(environment: Environment): Scheduler | undefined {
  const rank = readNumber(environment, "RANK");
  const all = readNumber(environment, "WORLD_SIZE");
  const processes = readNumber(environment, "LOCAL_WORLD_SIZE", all);
  if (all < 2) return undefined;
  const { MASTER_ADDR: host } = environment;
  if (host === undefined || host === "")
    throw createFault("MASTER_ADDR is not set, but RANK and WORLD_SIZE are. Set it to the first machine");
  if (rank >= all) throw createFault(`RANK is ${rank}, but WORLD_SIZE is ${all}. Ranks are counted from 0`);
  if (processes < 1 || all % processes !== 0)
    throw createFault(`LOCAL_WORLD_SIZE is ${processes}, which does not divide WORLD_SIZE, ${all}`);
  return {
    name: "RANK and WORLD_SIZE",
    nodes: all / processes,
    node: Math.floor(rank / processes),
    rendezvous: `${host}:${readNumber(environment, "MASTER_PORT", defaultPort)}`,
    processes,
    rank,
    localRank: readNumber(environment, "LOCAL_RANK", rank % processes),
  };
}

/** Only `srun` sets the variables of a step; in a batch script outside of it there is one process. */
function readSlurm(environment: Environment): Scheduler | undefined {
  if (environment.SLURM_STEP_NUM_NODES === undefined) return undefined;
  const nodes = readNumber(environment, "SLURM_STEP_NUM_NODES");
  const tasks = readNumber(environment, "SLURM_STEP_NUM_TASKS", nodes);
  if (tasks < 2) return undefined;
  if (tasks % nodes !== 0)
    throw createFault(
      `SLURM starts ${tasks} tasks on ${nodes} machines. Start one task on each machine with --ntasks-per-node=1`,
    );
  const host = environment.MASTER_ADDR ?? findFirstHost(environment.SLURM_STEP_NODELIST ?? "");
  if (host === undefined)
    throw createFault("SLURM_STEP_NODELIST names no machine. Set MASTER_ADDR to the first one");
  // Jobs on the same machine use different ports.
  const port = readNumber(
    environment,
    "MASTER_PORT",
    15_000 + (readNumber(environment, "SLURM_JOB_ID", 0) % 15_000),
  );
  const machine = {
    name: "SLURM",
    nodes,
    node: readNumber(environment, "SLURM_NODEID", 0),
    rendezvous: `${host}:${port}`,
  };
  return tasks === nodes
    ? machine
    : {
        ...machine,
        processes: tasks / nodes,
        rank: readNumber(environment, "SLURM_PROCID"),
        localRank: readNumber(environment, "SLURM_LOCALID"),
      };
}

/** The first machine of a list such as `gpu[03-05,9],login`: `gpu03`. */
function findFirstHost(list: string): string | undefined {
  const [, prefix = "", number = ""] = /^([^[,\s]*)(?:\[([^\],-]+))?/.exec(list) ?? [];
  return `${prefix}${number}` === "" ? undefined : `${prefix}${number}`;
}

function readNumber(environment: Environment, name: string, otherwise?: number): number {
  const text = environment[name];
  if (text === undefined && otherwise !== undefined) return otherwise;
  if (text !== undefined && /^\d+$/.test(text)) return Number(text);
  throw createFault(
    `The environment variable ${name} ${text === undefined ? "is not set" : `is "${text}"`}. It has to be a whole number`,
  );
}

function createFault(message: string): WorkbenchError {
  return new WorkbenchError(
    "invalid-input",
    `${message}, or unset RANK, WORLD_SIZE and the variables of SLURM to start processes on this machine alone.`,
  );
}
