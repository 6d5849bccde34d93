/** Processes that train together: what a plan records, refuses, and takes from a scheduler. */
import { describe, expect, it } from "vitest";
import { changePlan } from "../../../src/backend/experiment/changePlan";
import { parseExperiment } from "../../../src/backend/experiment/parse";
import { planRuns, type PlanOptions } from "../../../src/backend/experiment/plan";
import { writeResolvedYaml } from "../../../src/backend/experiment/resolvedYaml";
import { cellsFile } from "./cellsFile";
import { catalog } from "./sampleCatalog";

const scheduler = { name: "SLURM", nodes: 2, node: 0, rendezvous: "gpu03:15047" };
const cells = (parallel: string, train = "max_steps: 5", device = "torch:cuda") => [
  `device: ${device}`,
  ...(parallel === "" ? [] : [`parallel: {${parallel}}`]),
  "data: {text: '*.txt', sequence_len: 16}",
  "model: {model_type: phi3, hidden_size: 64, num_attention_heads: 4}",
  `train: {${train}}`,
];
const plan = (content: readonly string[], options: Partial<PlanOptions> = {}) =>
  planRuns(parseExperiment(cellsFile(...content), "x.lathe.md", catalog), { codeVersion: "1", ...options });

const refusal = (content: readonly string[], options?: Partial<PlanOptions>): string => {
  try {
    plan(content, options);
  } catch (thrown) {
    return (thrown as Error).message;
  }
  throw new Error("The plan was accepted.");
};

describe("parallel", () => {
  it("is absent from a plan without it", () => {
    expect(plan(cells(""))[0]).not.toHaveProperty("parallel");
  });

  it("is filled in, read again from the resolved experiment, and changes no result", () => {
    const [alone] = plan(cells(""));
    const [shared] = plan(cells("processes: 4"));
    expect(shared!.parallel).toEqual({ processes: 4, nodes: 1, sharding: "none" });
    expect(shared!.steps[0]!.key).toBe(alone!.steps[0]!.key);
    const text = writeResolvedYaml(shared!, { folder: "." });
    const [again] = planRuns(parseExperiment(text, "x.yaml", catalog), { codeVersion: "1" });
    expect(again!.parallel).toEqual(shared!.parallel);
  });

  it("takes the number of processes from the command line", () => {
    expect(plan(cells(""), { parallelProcesses: 2 })[0]!.parallel).toMatchObject({ processes: 2 });
    expect(plan(cells("processes: 4"), { parallelProcesses: 8 })[0]!.parallel).toMatchObject({
      processes: 8,
    });
    expect(plan(cells("processes: 4, sharding: full"), { parallelProcesses: 1 })[0]).not.toHaveProperty(
      "parallel",
    );
  });

  it("takes machines from a scheduler, only with several processes", () => {
    expect(plan(cells(""), { scheduler })[0]).not.toHaveProperty("parallel");
    expect(plan(cells("processes: 4"), { scheduler })[0]!.parallel).toEqual({
      processes: 4,
      nodes: 2,
      rendezvous: "gpu03:15047",
      sharding: "none",
    });
    const started = { ...scheduler, processes: 2, rank: 0, localRank: 0 };
    expect(plan(cells("processes: 1"), { scheduler: started })[0]!.parallel).toMatchObject({ processes: 2 });
  });

  it.for([
    [
      cells("processes: 2", "max_steps: 5", "cpu"),
      "x.lathe.md:10:23: parallel.processes needs a device of PyTorch, since ONNX Runtime trains in one process; device is cpu. Set device to torch:cuda or torch:cpu.",
    ],
    [cells("processes: 2", "max_steps: 5", "auto"), "device is auto, which may select either."],
    [cells("processes: 2", "max_steps: 5", "torch:mps"), "parallel.processes has to be 1 on torch:mps"],
    [
      cells("processes: 4", "per_device_train_batch_size: 6"),
      "x.lathe.md:28:38: train.per_device_train_batch_size has to be divisible by the 4 processes of parallel, which share each batch; it is 6. Use 4 or 8, or other processes.",
    ],
    [cells("processes: 4, nodes: 2, rendezvous: 'a:1'", "micro_batch_size: 4"), "by the 8 processes"],
    [cells("sharding: full"), "parallel.sharding full divides state among processes, and there is only one"],
    [cells("processes: 2, nodes: 2"), "parallel.nodes requires rendezvous"],
    [cells("processes: 2, rendezvous: 'a:1'"), "parallel.rendezvous has no effect on one machine"],
    [cells("processes: 2, nodes: 2, rendezvous: host"), "has to be the address of a machine and a port"],
    [cells("processes: 2", "torch_compile: true"), "train.torch_compile has to be false with 2 processes"],
  ] as const)("refuses what cannot be divided: %o", ([content, message]) => {
    expect(refusal(content)).toContain(message);
  });

  it("moves a run that continues to another device or other processes", () => {
    const change = (content: readonly string[], changes: object) =>
      changePlan(plan(content)[0]!, { settings: [], ...changes }, () => ({ finished: false, trained: 2 }), {
        catalog,
        codeVersion: "1",
      });
    const begun = cells("", "max_steps: 5", "cpu");
    const moved = change(begun, { device: "torch:cpu", parallelProcesses: 2 });
    expect(moved.plan).toMatchObject({ device: "torch:cpu", parallel: { processes: 2 } });
    expect(moved.plan.steps).toEqual(plan(begun)[0]!.steps);
    expect(moved.notices[0]).toMatch(
      /^The run continues on torch:cpu with 2 processes; it was on cpu with one process\./,
    );
    const machines = cells("processes: 4, nodes: 2, rendezvous: 'a:1', sharding: full");
    expect(change(machines, { parallelProcesses: 2 }).plan.parallel).toEqual({
      processes: 2,
      nodes: 1,
      sharding: "full",
    });
    expect(change(machines, { device: "cpu", parallelProcesses: 1 }).plan).not.toHaveProperty("parallel");
    expect(() => change(begun, { parallelProcesses: 2 })).toThrow("needs a device of PyTorch");
    expect(change(begun, { settings: ["train.max_steps=9"], device: "torch" })).toMatchObject({
      first: 0,
      plan: { device: "torch" },
    });
  });
});
