/** Processes that a scheduler has started, and how `lathe_torch` is started among them. */
import { describe, expect, it } from "vitest";
import { readScheduler } from "../../../src/backend/engine/torch/readScheduler";
import { createTorchLaunch, findEndedProcess } from "../../../src/backend/engine/torch/torchrun";
import { isWorker } from "../../../src/protocol/scheduler";
import { parallelSchema } from "../../../src/schema/parallel";

const slurm = {
  SLURM_JOB_ID: "47",
  SLURM_STEP_NUM_NODES: "2",
  SLURM_STEP_NUM_TASKS: "2",
  SLURM_STEP_NODELIST: "gpu[03-05,9],login",
  SLURM_NODEID: "1",
};
const ranks = { RANK: "3", WORLD_SIZE: "4", LOCAL_WORLD_SIZE: "2", MASTER_ADDR: "a", MASTER_PORT: "12" };

describe("readScheduler", () => {
  it("finds nothing in the environment of a process that was started alone", () => {
    expect(readScheduler({})).toBeUndefined();
    expect(readScheduler({ SLURM_JOB_ID: "47", SLURM_NNODES: "2" })).toBeUndefined();
    expect(readScheduler({ RANK: "0", WORLD_SIZE: "1" })).toBeUndefined();
  });

  it("reads the machines of SLURM, and the first of them as the rendezvous", () => {
    const scheduler = readScheduler(slurm)!;
    expect(scheduler).toEqual({ name: "SLURM", nodes: 2, node: 1, rendezvous: "gpu03:15047" });
    expect(isWorker(scheduler)).toBe(true);
    expect(isWorker(readScheduler({ ...slurm, SLURM_NODEID: "0" })!)).toBe(false);
    expect(readScheduler({ ...slurm, MASTER_ADDR: "b", MASTER_PORT: "9" })).toMatchObject({
      rendezvous: "b:9",
    });
  });

  it("reads SLURM's tasks as processes if there are several on a machine", () => {
    const several = { ...slurm, SLURM_STEP_NUM_TASKS: "8", SLURM_PROCID: "5", SLURM_LOCALID: "1" };
    expect(readScheduler(several)).toMatchObject({ processes: 4, rank: 5, localRank: 1, node: 1 });
  });

  it("reads the processes of torchrun and of launchers like it", () => {
    expect(readScheduler(ranks)).toEqual({
      name: "RANK and WORLD_SIZE",
      nodes: 2,
      node: 1,
      rendezvous: "a:12",
      processes: 2,
      rank: 3,
      localRank: 1,
    });
  });

  it.for([
    [{ ...ranks, RANK: "x" }, 'RANK is "x"'],
    [{ ...ranks, RANK: "4" }, "RANK is 4, but WORLD_SIZE is 4"],
    [{ ...ranks, LOCAL_WORLD_SIZE: "3" }, "does not divide WORLD_SIZE, 4"],
    [{ ...ranks, MASTER_ADDR: "" }, "MASTER_ADDR is not set"],
    [{ ...slurm, SLURM_STEP_NUM_TASKS: "3" }, "SLURM starts 3 tasks on 2 machines"],
    [{ ...slurm, SLURM_STEP_NODELIST: "" }, "names no machine"],
  ] as const)("refuses values that do not fit together: %o", ([environment, message]) => {
    expect(() => readScheduler(environment)).toThrow(message);
  });
});

describe("createTorchLaunch", () => {
  const launch = { device: "cuda", threads: 1 };

  it("starts one process without torchrun", () => {
    const { args } = createTorchLaunch({ ...launch, parallel: parallelSchema.parse({}) });
    expect(args).toEqual(["-m", "lathe_torch", "--device", "cuda", "--threads", "1"]);
  });

  it("starts the processes of one machine through torchrun, without restarts", () => {
    const parallel = parallelSchema.parse({ processes: 8, sharding: "full" });
    const { args } = createTorchLaunch({ ...launch, parallel });
    expect(args.join(" ")).toBe(
      "-m torch.distributed.run --nproc-per-node 8 --max-restarts 0 --standalone -m lathe_torch " +
        "--device cuda --threads 1 --processes 8 --sharding full",
    );
  });

  it("starts those of each machine with its number and the first one's address", () => {
    const parallel = parallelSchema.parse({ processes: 8, nodes: 2, rendezvous: "host-a:29500" });
    const { args } = createTorchLaunch({ ...launch, parallel, node: 1 });
    expect(args.join(" ")).toContain(
      "--nnodes 2 --node-rank 1 --master-addr host-a --master-port 29500 -m lathe_torch",
    );
    expect(args).toContain("16");
  });

  it("becomes one of the processes that a scheduler started, with torchrun's variables", () => {
    const scheduler = readScheduler(ranks)!;
    const parallel = parallelSchema.parse({ processes: 2, nodes: 2, rendezvous: "a:12" });
    const { args, options } = createTorchLaunch({ ...launch, parallel, scheduler });
    expect(args.slice(0, 2)).toEqual(["-m", "lathe_torch"]);
    expect(options.env).toMatchObject({
      RANK: "3",
      LOCAL_RANK: "1",
      WORLD_SIZE: "4",
      MASTER_ADDR: "a",
      MASTER_PORT: "12",
    });
  });
});

describe("findEndedProcess", () => {
  it("names the process that torchrun reports first, or one that reports its own failure", () => {
    const report = [
      "Root Cause (first observed failure):",
      "[0]:",
      "  rank      : 2 (local_rank: 2)",
      "  exitcode  : -9 (pid: 4711)",
    ].join("\n");
    expect(findEndedProcess(report)).toBe("process 2 was killed by signal 9");
    expect(findEndedProcess(`lathe-process 3: CUDA out of memory\n${report}`)).toBe(
      "process 3 ended: CUDA out of memory",
    );
    expect(findEndedProcess("Traceback")).toBeUndefined();
  });
});
