/** Metrics on WebGPU: the same values and the same most likely tokens as on the CPU. */
import { expect, it } from "vitest";
import { webgpuSkipReason } from "../../support/webgpu";
import { openEngine } from "../../../src/backend/engine/open";
import generate from "../../../src/backend/evaluation/generate";
import perplexity from "../../../src/backend/evaluation/perplexity";
import magnitude from "../../../src/backend/methods/magnitude";
import {
  openGrammarData,
  createQuietLab,
  createTemporaryFolder,
  createTinySubject,
} from "../../support/subject";
import { plainLab } from "../../support/lab";

it("gives the CPU's results for a pruned model", async (context) => {
  if (webgpuSkipReason !== undefined) console.warn(`skipped "${context.task.name}": ${webgpuSkipReason}`);
  context.skip(webgpuSkipReason !== undefined, webgpuSkipReason);
  using folder = createTemporaryFolder();
  using data = await openGrammarData(folder.path);
  const subject = createTinySubject("llama", data);
  const pruned = await magnitude.apply(subject, magnitude.options.parse({ sparsity: 0.5 }), plainLab);
  const [onCpu, onGpu] = await Promise.all(
    (["cpu", "webgpu"] as const).map(async (device) => {
      await using engine = await openEngine(device);
      const measured = { ...subject, ...pruned };
      const text = generate.options.parse({ prompts: ["a", "aa"], max_new_tokens: 12 });
      const windows = perplexity.options.parse({ stride: 3, max_tokens: 40 });
      return {
        loss: (await perplexity.evaluate(measured, windows, createQuietLab(engine))).details.loss,
        samples: (await generate.evaluate(measured, text, createQuietLab(engine))).details.samples,
      };
    }),
  );
  expect(Math.abs(onGpu!.loss - onCpu!.loss) / onCpu!.loss).toBeLessThan(1e-4);
  expect(onGpu!.samples).toEqual(onCpu!.samples);
});
