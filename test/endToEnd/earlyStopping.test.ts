/** A run whose loss stops improving ends early, is done, and names its best model or continues with it. */
import { expect, it } from "vitest";
import { realWorkspace, recordOf, useRealLathe } from "./realLathe";

useRealLathe();

const cells = (more: string) => `
data: {grammar: {length: 3000}, tokenizer: bytes, sequence_len: 16, val_fraction: 0.2}
model: {model_type: gpt2, n_embd: 8, n_layer: 1, n_head: 2, n_positions: 16}
device: cpu
train: {max_steps: 60, per_device_train_batch_size: 2, learning_rate: 0.9, max_grad_norm: 0, eval_steps: 2, early_stopping: {patience: 2}${more}}
evaluate: {perplexity: {max_tokens: 100}}
`;

it("by early stopping", { timeout: 120_000 }, async () => {
  const workspace = realWorkspace();
  const last = recordOf(await workspace.run(workspace.write("last.lathe.md", cells(""))));
  const end = last.progress!.step;
  expect(last.state).toBe("done");
  expect(end).toBeLessThan(60);
  const [notice] = last.notices.filter((each) => each.startsWith("Training ended early"));
  expect(notice).toMatch(
    new RegExp(
      `^Training ended early, after step ${end}: eval/loss has not improved in 2 evaluations since step ${end - 4}, where it was [\\d.]+\\. ` +
        `The run continues with the last model; the best is in checkpoints/step-${end - 4}\\. Set load_best_model_at_end to continue with it\\.$`,
    ),
  );
  const best = recordOf(
    await workspace.run(workspace.write("best.lathe.md", cells(", load_best_model_at_end: true"))),
  );
  expect(best.notices.at(-1)).toContain(`The run continues with the best model, that of step ${end - 4}.`);
  expect(best.summary["perplexity/loss"]!.last).toBeLessThan(last.summary["perplexity/loss"]!.last);
});
