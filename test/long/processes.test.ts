/** Several processes in each sharding, and real runs that move between engines, processes and machines. */
import { type ChildProcess, execFileSync } from "node:child_process";
import { createServer } from "node:net";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { openEngine } from "../../src/backend/engine/open";
import { parallelSchema, shardings } from "../../src/schema/parallel";
import { ended, pastStep } from "../backend/runs/workbench";
import {
  historyOf,
  realWorkspace,
  recordOf,
  tensorsOf,
  useRealLathe,
  type Workspace,
} from "../endToEnd/realLathe";
import { computeLargestDifference } from "../support/sameWeights";
import { createTinyShape, createTrainOptions, type TinyName } from "../support/tinyModels";
import { computeLargestRatio, openNoiseData, trainTiny } from "../support/tinyRun";
import { torchSkipReason } from "../support/torch";

if (torchSkipReason !== undefined) console.log(`several processes are skipped: ${torchSkipReason}`);

async function train(name: TinyName, parallel?: object) {
  await using engine = await openEngine("torch:cpu", {
    threads: 1,
    parallel: parallel && parallelSchema.parse(parallel),
  });
  using data = await openNoiseData(3000);
  const options = { max_steps: 20, per_device_train_batch_size: 8, learning_rate: 0.002, weight_decay: 0.1 };
  return await trainTiny({
    engine,
    shape: createTinyShape(name),
    data,
    options: createTrainOptions(options),
  });
}

describe.skipIf(torchSkipReason !== undefined)("several processes", () => {
  it.for(["gpt2", "llama"] as const)("of %s end with the weights and moments of one", async (name) => {
    const alone = await train(name);
    for (const processes of [2, 4])
      for (const sharding of shardings) {
        const together = await train(name, { processes, sharding });
        const difference = computeLargestDifference(together, alone);
        console.log(`${name}, ${processes} processes, ${sharding}: ${difference.toExponential(1)}`);
        expect(difference).toBeLessThan(1e-5);
      }
  });
});

const cells = `
data: {grammar: {length: 6000, symbols: 12}, sequence_len: 16, val_fraction: 0.2}
model: {model_type: gpt2, n_embd: 16, n_layer: 1, n_head: 2, n_positions: 16, resid_pdrop: 0.1}
train: {max_steps: 60, per_device_train_batch_size: 4, learning_rate: 3e-3, lr_scheduler_type: constant, eval_steps: 20, save_steps: 20}
`;
const changing = (parts: object) => Object.entries(parts).flatMap(([key, value]) => [key, String(value)]);
const lossesOf = async (folder: string) =>
  (await historyOf(folder)).map((line) => line["train/loss"] ?? line["eval/loss"] ?? 0);

describe.skipIf(torchSkipReason !== undefined || process.platform === "win32")("a run", () => {
  useRealLathe();
  const open = (): { workspace: Workspace; file: string } => {
    const workspace = realWorkspace({ LATHE_PYTHON_PACKAGE: resolve("python") });
    return { workspace, file: workspace.write("shared.lathe.md", cells) };
  };

  it("that begins on ONNX Runtime, continues on two processes and ends on one has the losses of one run", async () => {
    const { workspace, file } = open();
    const whole = await workspace.run(file, "--device", "cpu");
    const folder = await workspace.run(file, "--fresh", "--device", "cpu", "--set", "train.max_steps=20");
    const resume = (steps: number, parts: object) =>
      workspace.lathe("resume", folder, "--set", `train.max_steps=${steps}`, ...changing(parts));
    expect(await resume(40, { "--device": "torch:cpu", "--parallel-processes": 2 })).toMatchObject({
      status: 0,
    });
    expect(recordOf(folder)).toMatchObject({
      state: "done",
      plan: { device: "torch:cpu", parallel: { processes: 2 } },
      device: { name: "torch:cpu" },
    });
    expect(await resume(60, { "--parallel-processes": 1 })).toMatchObject({ status: 0 });
    expect(recordOf(folder).plan).not.toHaveProperty("parallel");
    expect(computeLargestRatio(await lossesOf(folder), await lossesOf(whole))).toBeLessThan(1e-3);
    expect([...tensorsOf(folder).keys()]).toEqual([...tensorsOf(whole).keys()]);
  });

  it("is interrupted by a process that is killed, and resumes", async () => {
    const { workspace, file } = open();
    const parts = changing({
      "--device": "torch:cpu",
      "--parallel-processes": 2,
      "--set": "parallel.sharding=full",
    });
    const whole = await workspace.run(file, ...parts, "--set", "train.max_steps=200");
    const folder = await workspace.begin(file, "--fresh", ...parts, "--set", "train.max_steps=200");
    await pastStep(folder, 33);
    process.kill(findWorkers(recordOf(folder).process!.pid).at(-1)!, "SIGKILL");
    expect(await ended(folder)).toMatchObject({
      state: "interrupted",
      failure: {
        code: "process-died",
        message: expect.stringMatching(
          /^Of the 2 PyTorch processes .*process \d was killed by signal 9/,
        ) as string,
      },
    });
    expect(await workspace.lathe("resume", folder)).toMatchObject({ status: 0 });
    expect(computeLargestRatio(await lossesOf(folder), await lossesOf(whole))).toBeLessThan(1e-4);
  });

  it("of two machines is executed by the first, which the second joins", async () => {
    const { workspace, file } = open();
    const alone = await workspace.run(file, "--device", "torch:cpu");
    const settings = ["nodes=2", "processes=1", `rendezvous=127.0.0.1:${await findPort()}`];
    const args = ["--device", "torch:cpu", ...settings.flatMap((each) => ["--set", `parallel.${each}`])];
    const joined = outputOf(workspace.spawn("run", file, ...args, "--node", "1"));
    const folder = await workspace.run(file, "--fresh", ...args, "--node", "0");
    expect(await joined).toMatchObject({
      status: 0,
      output: expect.stringContaining("machine 0 have ended") as string,
    });
    expect(recordOf(folder).state).toBe("done");
    expect(computeLargestRatio(await lossesOf(folder), await lossesOf(alone))).toBeLessThan(1e-4);
  });

  it("is planned with the memory and the placement of each process", async () => {
    const { workspace, file } = open();
    const args = changing({ "--device": "torch:cpu", "--parallel-processes": 2 });
    const { output } = await workspace.lathe("plan", file, ...args, "--set", "parallel.sharding=optimizer");
    expect(output).toMatch(
      /Each of 2 processes: .* \(weights .*, gradients .*, optimizer .*, activations of 2 sequences .*\)/,
    );
    expect(output).toContain("Divided among the processes besides the batch: gradients and optimizer");
    expect(output).toContain("Times are those of one process and assume");
  });
});

/** The processes that share the tensors of a run, whose parent is torchrun. */
function findWorkers(run: number): readonly number[] {
  const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).split("\n");
  const processes = lines.map((line) => line.trim().split(/\s+/).map(Number));
  const childrenOf = (parent: number) =>
    processes.filter(([, above]) => above === parent).map(([pid]) => pid!);
  return childrenOf(run).flatMap(childrenOf);
}

async function outputOf(child: ChildProcess): Promise<{ status: number | null; output: string }> {
  let output = "";
  child.stdout!.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr!.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return new Promise((done) => child.on("close", (status) => done({ status, output })));
}

/** A port that is free now. */
async function findPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}
