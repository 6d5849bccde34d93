/**
 * The tables of docs/compatibility.md: what they allow is exported, and what they refuse is refused with the reason that they
 * give. The models are random, except those of the methods.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  createRoomyShape,
  familyNames,
  formatNames,
  judgeFamily,
  judgeFormat,
  methodNames,
  planMethod,
  type Verdict,
} from "../../scripts/compatibility";
import { createPairOptions } from "../../scripts/methodPairs";
import { exportModel } from "../../src/backend/exports/exportModel";
import { methods } from "../../src/backend/methods/catalog";
import type { ModelShape } from "../../src/backend/models/model";
import type { HostTensors } from "../../src/backend/checkpoints/safetensors";
import { useGrammar } from "../support/grammar";
import { createLabWithText } from "../support/lab";
import { createTemporaryFolder, drawModelTensors } from "../support/subject";

const grammar = useGrammar();
const lab = () => createLabWithText(grammar.engine, grammar.data);

async function expectVerdict(
  { refusal }: Pick<Verdict, "refusal">,
  subject: { readonly shape: ModelShape; readonly tensors: HostTensors },
  format: string,
): Promise<void> {
  using folder = createTemporaryFolder();
  const exported = exportModel(subject, { format }, join(folder.path, "out"));
  if (refusal === undefined) {
    expect((await exported).files.length).toBeGreaterThan(0);
    return;
  }
  await expect(exported).rejects.toThrow(`The model cannot be exported as ${format}: ${refusal}. `);
  expect(readdirSync(folder.path)).toEqual([]);
}

describe.each(familyNames)("%s", (family) => {
  it.each(formatNames)("as %s", async (format) => {
    const verdict = judgeFamily(family, format);
    await expectVerdict(
      verdict,
      { shape: verdict.shape, tensors: drawModelTensors(verdict.shape, 3) },
      format,
    );
  });

  const refused = methodNames
    .map((method) => ({ method, ...planMethod(createRoomyShape(family), method) }))
    .filter(({ refusal }) => refusal !== undefined);
  it("is refused by methods themselves with the reason of the table", async () => {
    for (const { method, shape, refusal } of refused) {
      const options = createPairOptions(methods[method]!);
      const before = { shape, tensors: drawModelTensors(shape, 3) };
      await expect(methods[method]!.apply(before, options, lab())).rejects.toThrow(refusal);
    }
    // Nothing is refused to a llama.
    expect(
      refused.length > 0 || ["llama", "mistral", "phi3", "qwen2", "qwen3", "smollm3"].includes(family),
    ).toBe(true);
  });
});

describe.each(methodNames)("a llama after %s", (name) => {
  const method = methods[name]!;
  const planned = planMethod(createRoomyShape("llama"), name);

  it("is written in the formats of the table, and in no others", async () => {
    expect(planned.refusal).toBeUndefined();
    const shape = createRoomyShape("llama");
    const model = await method.apply(
      { shape, tensors: drawModelTensors(shape, 4) },
      createPairOptions(method),
      lab(),
    );
    for (const format of formatNames)
      await expectVerdict(judgeFormat(planned.isExact ? planned.shape : model.shape, format), model, format);
  });
});
