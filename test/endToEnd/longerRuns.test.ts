/** A run extended by more steps equals the run planned with them, if the schedule allows it. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { ended, pastStep } from "../backend/runs/workbench";
import {
  historyOf,
  killProcess,
  realWorkspace,
  recordOf,
  tensorsOf,
  useRealLathe,
  type Workspace,
} from "./realLathe";

useRealLathe();

/** Dropout draws random numbers, and AdamW keeps moments: both have to continue. */
const model = `
data: {grammar: {length: 4000, symbols: 12}, sequence_len: 16, val_fraction: 0.2}
model: {model_type: gpt2, n_embd: 16, n_layer: 1, n_head: 2, n_positions: 16, resid_pdrop: 0.1, embd_pdrop: 0.1, attn_pdrop: 0.1}
`;
const train = (options: string) =>
  `train: {per_device_train_batch_size: 2, gradient_accumulation_steps: 2, learning_rate: 3e-3, weight_decay: 0.1, eval_steps: 5, save_steps: 5, ${options}}`;
const after = `
compress: {magnitude: {sparsity: 0.5}}
evaluate: {perplexity: {stride: 8}}
`;
const constant = "lr_scheduler_type: constant_with_warmup, warmup_steps: 3";

let workspace: Workspace;
beforeEach(() => {
  workspace = realWorkspace();
});

function write(name: string, ...cells: readonly string[]): string {
  return workspace.write(
    `${name}.lathe.md`,
    [model, ...cells].map((cell) => cell.trim()).join("\n```\n\n```yaml\n"),
  );
}

const run = (file: string, ...options: string[]) => workspace.run(file, "--device", "cpu", ...options);

async function extend(folder: string, ...settings: readonly string[]) {
  const { status, errors } = await workspace.lathe(
    "resume",
    folder,
    ...settings.flatMap((setting) => ["--set", setting]),
  );
  expect(status, errors).toBe(0);
}

const logOf = (folder: string) => readFileSync(join(folder, "log.txt"), "utf8");
const scheduleNotices = (folder: string) =>
  recordOf(folder).notices.filter((notice) => notice.includes("learning rate"));
const optionsOf = (folder: string, index = 0) => recordOf(folder).plan.steps[index]!.options;

async function expectEqual(folder: string, other: string) {
  expect(await historyOf(folder)).toEqual(await historyOf(other));
  const [own, others] = [tensorsOf(folder), tensorsOf(other)];
  expect([...own.keys()]).toEqual([...others.keys()]);
  for (const [name, bytes] of own) expect(bytes.equals(others.get(name)!), name).toBe(true);
  const measured = ({ summary }: ReturnType<typeof recordOf>) =>
    Object.fromEntries(Object.entries(summary).filter(([name]) => !/^system|per_second/.test(name)));
  expect(measured(recordOf(folder))).toEqual(measured(recordOf(other)));
}

describe("a finished run under a constant schedule", { timeout: 300_000 }, () => {
  it("equals the run that was planned with its new steps, bit for bit, including later actions", async () => {
    const file = write("short", train(`max_steps: 10, ${constant}`), after);
    const folder = await run(file);
    const keys = recordOf(folder).plan.steps.map(({ key }) => key);
    await extend(folder, "train.max_steps=15");
    await extend(folder, "train.max_steps=25", "train.logging_steps=1");
    const planned = await run(file, "--set", "train.max_steps=25");
    // The reference run trains all 25 steps itself.
    expect(logOf(planned)).toContain(" Step 0: train.");
    await expectEqual(folder, planned);
    const { plan, state } = recordOf(folder);
    expect({ state, notices: scheduleNotices(folder) }).toEqual({ state: "done", notices: [] });
    expect(plan.steps[0]).toMatchObject({
      options: { max_steps: 25 },
      earlier: [
        { steps: 10, options: { max_steps: 10 } },
        { steps: 15, options: { max_steps: 15 } },
      ],
    });
    expect(plan.steps.filter(({ key }) => keys.includes(key))).toEqual([]);
    expect(readFileSync(join(folder, "config.resolved.yaml"), "utf8")).toContain("max_steps: 25\n");
    expect(logOf(folder).match(/ Step 1: compress\./g)).toHaveLength(3);
  });

  it("may be extended in its first training: the second restarts from its result", async () => {
    const file = write("two", train(`max_steps: 5, ${constant}`), train(`max_steps: 10, ${constant}`), after);
    const folder = await run(file);
    await extend(folder, "train.0.max_steps=10");
    await expectEqual(folder, await run(file, "--set", "train.0.max_steps=10"));
    expect([optionsOf(folder, 0), optionsOf(folder, 1)]).toMatchObject([
      { max_steps: 10 },
      { max_steps: 10 },
    ]);
    expect(recordOf(folder).plan.steps[1]).not.toHaveProperty("earlier");
    await extend(folder, "train.1.max_steps=15");
    await expectEqual(
      folder,
      await run(file, "--fresh", "--set", "train.0.max_steps=10", "--set", "train.1.max_steps=15"),
    );
  });

  it("may be planned in epochs, and its swept number of steps changes to the new one", async () => {
    const epochs = write("epochs", train(`num_train_epochs: 0.1, ${constant}`));
    const folder = await run(epochs, "--set", "train.eval_steps=null", "--set", "train.save_steps=null");
    await extend(folder, "train.num_train_epochs=0.2");
    const planned = await run(
      epochs,
      ...["eval_steps=null", "save_steps=null", "num_train_epochs=0.2"].flatMap((each) => [
        "--set",
        `train.${each}`,
      ]),
    );
    const [own, others] = [tensorsOf(folder), tensorsOf(planned)];
    const last = [...others.keys()].at(-1)!;
    expect(own.get(last)!.equals(others.get(last)!)).toBe(true);

    const swept = await run(write("swept", train(constant), "sweep: {train.max_steps: [5]}"));
    await extend(swept, "train.max_steps=10");
    expect(recordOf(swept).plan.sweep).toEqual({ "train.max_steps": 10 });
  });
});

describe("a run whose process was killed", { timeout: 300_000 }, () => {
  it("continues to another end and with other intervals", async () => {
    const file = write("killed", train(`max_steps: 100000, ${constant}`));
    const folder = await workspace.begin(file, "--device", "cpu");
    await pastStep(folder, 12);
    killProcess(folder);
    await ended(folder);
    const reached = (await historyOf(folder)).at(-1)!.step;
    const end = Math.ceil((reached + 5) / 5) * 5;
    await extend(folder, `train.max_steps=${end}`, "train.save_total_limit=3");
    await expectEqual(
      folder,
      await run(file, "--set", `train.max_steps=${end}`, "--set", "train.save_total_limit=3"),
    );
  });
});

describe("a schedule that depends on the number of steps", { timeout: 300_000 }, () => {
  it("follows the new number from where the run continues, which the run reports", async () => {
    const file = write("cosine", train("max_steps: 10, lr_scheduler_type: cosine, warmup_steps: 2"));
    const folder = await run(file);
    const short = await historyOf(folder);
    await extend(folder, "train.max_steps=20");
    const planned = await run(file, "--set", "train.max_steps=20");
    expect(logOf(planned)).toContain(" Step 0: train.");
    const rates = (lines: Awaited<ReturnType<typeof historyOf>>) =>
      lines.flatMap((line) => line["train/learning_rate"] ?? []);
    const [first, long, whole] = [short, await historyOf(folder), await historyOf(planned)].map(rates);
    expect(long).toEqual([...first!, ...whole!.slice(10)]);
    expect(first).not.toEqual(whole!.slice(0, 10));
    expect(scheduleNotices(folder)).toEqual([
      "train continues after step 10 at the learning rates of its cosine schedule over 20 steps; the steps before had those of 10 steps. A run planned with 20 steps from the start gives other weights.",
    ]);
  });
});

describe("what a resumed run refuses", { timeout: 300_000 }, () => {
  it("is named, and the run is not modified", async () => {
    const folder = await run(write("short", train(`max_steps: 10, ${constant}`), after));
    const before = [readFileSync(join(folder, "run.json"), "utf8"), await historyOf(folder)];
    const allowed =
      "Allowed: device, parallel, train.max_steps, train.num_train_epochs, train.logging_steps, train.eval_steps, train.save_steps, train.save_total_limit.";
    const other = (path: string) =>
      `${path} cannot change when a run is resumed: part of the run already depends on it. ${allowed} Start a new run to change anything else.`;
    const refusals: readonly (readonly [setting: string, message: string])[] = [
      ["train.learning_rate=1", other("train.learning_rate")],
      ["train.lr_scheduler_type=linear", other("train.lr_scheduler_type")],
      ["seed=1", other("seed")],
      ["compress.magnitude.sparsity=0.1", other("compress.magnitude.sparsity")],
      ["train.data.sequence_len=8", other("train.data.sequence_len")],
      ["train=null", other("train")],
      ["train.max_step=20", other("train.max_step")],
      [
        "train.max_steps=7",
        "train.max_steps 7 is not more than the 10 steps that are trained already. Give a larger number.",
      ],
      [
        "train.max_steps=null",
        "train.max_steps cannot be removed: the run is planned by steps. Set it to the new number of steps.",
      ],
      [
        "train.max_steps=10",
        "--set train.max_steps=10 changes nothing that the run has still to do. To train further, raise train.max_steps.",
      ],
      [
        "train.save_steps=3",
        "--set train.save_steps=3 changes nothing that the run has still to do. To train further, raise train.max_steps.",
      ],
    ];
    for (const [setting, message] of refusals) {
      const { status, errors } = await workspace.lathe("resume", folder, "--set", setting);
      expect([setting, status, errors.trim()]).toEqual([setting, 2, `error: ${message}`]);
    }
    const { status, errors } = await workspace.lathe("resume", folder, "--set", "train.max_steps=-1");
    expect([status, errors]).toEqual([2, expect.stringContaining("--set train.max_steps")]);
    const { errors: missing } = await workspace.lathe("resume", folder, "--set", "train.1.max_steps=20");
    expect(missing).toContain("numbered from 0 to 0");
    expect([readFileSync(join(folder, "run.json"), "utf8"), await historyOf(folder)]).toEqual(before);
    expect(existsSync(join(folder, "steps/2-evaluate/done.json"))).toBe(true);
  });
});

it(
  "merges adapters again after more steps, as a run of as many steps does",
  { timeout: 60_000 },
  async () => {
    const lora = "lora: {r: 2, lora_dropout: 0.1, merge: true}";
    const whole = await run(write("whole", train(`max_steps: 9, ${constant}, ${lora}`), after));
    const { total } = recordOf(whole).counts!;
    expect(total.trainable).toBe(total.stored);
    expect(readFileSync(join(whole, "log.txt"), "utf8")).toMatch(
      /Training [\d,]+ of [\d,]+ stored scalars: the adapters\./,
    );
    const part = await run(write("part", train(`max_steps: 4, ${constant}, ${lora}`), after));
    await extend(part, "train.max_steps=9");
    const models = (folder: string) =>
      [...tensorsOf(folder)]
        .filter(([name]) => name.startsWith("steps"))
        .map(([, bytes]) => bytes.toString("base64"));
    expect(models(part)).toHaveLength(2);
    expect(models(part)).toEqual(models(whole));
  },
);
