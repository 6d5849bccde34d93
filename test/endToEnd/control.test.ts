/** Stopping, pausing and queueing real trainings from the command line. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { readCheckpoint } from "../../src/backend/checkpoints/checkpoint";
import { ended, inState, pastStep, until } from "../backend/runs/workbench";
import { historyOf, realWorkspace, recordOf, runsOf, tensorsOf, useRealLathe } from "./realLathe";

useRealLathe();

const training = (steps: number) => `
data: {grammar: {length: 6000, symbols: 12}, sequence_len: 24, val_fraction: 0.2}
model: {model_type: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 24}
train: {max_steps: ${steps}, per_device_train_batch_size: 4, learning_rate: 3e-3, eval_steps: 40}
`;

describe("a training", { timeout: 120_000 }, () => {
  it("that is stopped has a checkpoint of its last step, and resumes bit for bit", async () => {
    const workspace = realWorkspace();
    const file = workspace.write("long.lathe.md", training(1500));
    const attached = workspace.lathe("run", file, "--device", "cpu");
    while (runsOf(workspace).length === 0) await setTimeout(20);
    const [folder] = runsOf(workspace) as [string];
    await until(folder, ({ progress }) => progress !== undefined);
    await pastStep(folder, 30);

    const { status, output } = await workspace.lathe("stop", "last");
    expect({ status, output }).toEqual({ status: 0, output: `${recordOf(folder).id} is stopped.\n` });
    const { status: left, errors } = await attached;
    expect(left).toBe(3);
    expect(errors).toContain(`Resume it with \`lathe resume ${recordOf(folder).id}\`.`);
    const stopped = recordOf(folder);
    expect(stopped.state).toBe("stopped");
    const { step } = stopped.progress!;
    expect(step).toBeGreaterThanOrEqual(30);
    expect(step).toBeLessThan(1500);
    expect((await historyOf(folder)).findLast((line) => "train/loss" in line)?.step).toBe(step);
    expect(readCheckpoint(join(folder, "checkpoints", `step-${step}`)).training?.state.step).toBe(step);

    expect(await workspace.lathe("resume", "last")).toMatchObject({ status: 0 });
    const whole = await workspace.run(file, "--device", "cpu", "--fresh");
    expect(await historyOf(folder)).toEqual(await historyOf(whole));
    expect(tensorsOf(folder)).toEqual(tensorsOf(whole));
  });

  it("that is paused waits, and continues on request", async () => {
    const workspace = realWorkspace();
    const folder = await workspace.begin(
      workspace.write("long.lathe.md", training(100_000)),
      "--device",
      "cpu",
    );
    await pastStep(folder, 10);
    expect(await workspace.lathe("pause", "last")).toMatchObject({ status: 0 });
    await inState(folder, "paused");
    const before = await historyOf(folder);
    await setTimeout(300);
    expect(await historyOf(folder)).toEqual(before);
    expect(await workspace.lathe("continue", "last")).toMatchObject({ status: 0 });
    await inState(folder, "running");
    await pastStep(folder, before.at(-1)!.step + 10);
    expect(await workspace.lathe("stop", "last")).toMatchObject({ status: 0 });
    expect(recordOf(folder).state).toBe("stopped");
  });

  it("waits for its device behind another run, unless it should not wait", async () => {
    const workspace = realWorkspace();
    const file = workspace.write("long.lathe.md", training(100_000));
    const first = await workspace.begin(file, "--device", "cpu");
    await pastStep(first, 1);
    const second = await workspace.begin(file, "--device", "cpu", "--seed", "1");
    expect((await until(second, ({ queuePosition }) => queuePosition !== undefined)).state).toBe("queued");
    const third = await workspace.begin(file, "--device", "cpu", "--seed", "2", "--parallel");
    await pastStep(third, 1);
    expect(recordOf(second).state).toBe("queued");
    expect(existsSync(join(second, "steps"))).toBe(false);
    const { output } = await workspace.lathe("runs");
    expect(output).toMatch(/queued behind/);
    await workspace.lathe("stop", first);
    await workspace.lathe("stop", third);
    await pastStep(second, 1);
    await workspace.lathe("stop", second);
    expect((await ended(second)).state).toBe("stopped");
  });
});
