/**
 * Writes what `programs.py` reads: models of every family with drawn weights, as they are and rounded to codes, in the formats
 * of transformers.js, onnxruntime-genai and MLX, each beside Lathe's own logits: `tsx scripts/reference/programs.ts FOLDER`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Checkpoint } from "../../src/backend/checkpoints/checkpoint";
import { createBytesTokenizer } from "../../src/backend/data/tokenizers/bytes";
import { exporters } from "../../src/backend/exports/catalog";
import { exportModel } from "../../src/backend/exports/exportModel";
import { evaluateGraph } from "../../src/backend/graph/evaluate";
import { constant } from "../../src/backend/graph/op";
import { methods } from "../../src/backend/methods/catalog";
import { models } from "../../src/backend/models/catalog";
import { createClassifierShape } from "../../src/backend/models/classifier";
import {
  buildHiddenStates,
  createValue,
  dimensionsOf,
  familyOf,
  forward,
  parametersOf,
} from "../../src/backend/models/model";
import { plainLab } from "../../test/support/lab";
import { createTinyShape, drawModelTensors } from "../../test/support/subject";
import { createRoomyShape } from "../compatibility";

const [prompt, more] = [7, 6];
const formats: Readonly<Record<string, (output: string) => object>> = {
  "transformers-js": (output) => ({ output }),
  genai: () => ({}),
};
const [work] = process.argv.slice(2) as [string];

/** The logits of all tokens, [tokens, vocabulary or classes], or their hidden states. */
function compute({ shape, tensors }: Checkpoint, tokens: readonly number[], output = "logits"): number[] {
  const values = new Map(parametersOf(shape).map((spec) => [spec.name, createValue(spec)]));
  const ids = constant(Int32Array.from(tokens), [1, tokens.length]);
  const build = output === "logits" ? forward : buildHiddenStates;
  const value = build(shape, (name) => values.get(name)!, { tokens: ids });
  const weights = Object.fromEntries([...tensors].map(([name, { data }]) => [name, data as Float32Array]));
  return [...evaluateGraph({ outputs: { value } }, weights)["value"]!];
}

function continueGreedily(model: Checkpoint, tokens: readonly number[]): number[] {
  const { vocabulary } = dimensionsOf(model.shape);
  const text = [...tokens];
  while (text.length < prompt + more) {
    const last = compute(model, text).slice(-vocabulary);
    text.push(last.indexOf(Math.max(...last)));
  }
  return text;
}

async function write(name: string, model: Checkpoint, output = "logits"): Promise<void> {
  const { shape } = model;
  const { vocabulary } = dimensionsOf(shape);
  const tokens = Array.from({ length: prompt }, (_, i) => (37 * i + 65) % vocabulary);
  const isDecoder = familyOf(shape.family).mask === "causal";
  const text = isDecoder ? continueGreedily(model, tokens) : tokens;
  const folder = join(work, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, "expected.json"),
    JSON.stringify({ prompt, tokens: text, logits: compute(model, text, output) }),
  );
  const tokenizer = createBytesTokenizer();
  for (const [format, optionsFor] of Object.entries(formats)) {
    const options = optionsFor(output);
    const exporter = exporters[format]!;
    const reason = exporter.refuses?.(shape, exporter.options.parse(options) as unknown);
    if (reason === undefined)
      await exportModel({ ...model, tokenizer }, { format, ...options }, join(folder, format));
    else console.log(`${name}: ${format} refuses it, because ${reason}`);
  }
}

const draw = (shape: Checkpoint["shape"]): Checkpoint => ({ shape, tensors: drawModelTensors(shape, 5) });

for (const family of Object.keys(models)) {
  const tiny = createTinyShape(family, { vocab_size: 257 });
  await write(`${family}-tiny`, draw(tiny));
  const roomy = draw(createRoomyShape(family, { vocab_size: 257 }));
  await write(family, roomy);
  if (familyOf(family).mask !== "causal") {
    await write(
      `${family}-classes`,
      draw(createClassifierShape(tiny, { kind: "classes", names: ["a", "b", "c"] })),
    );
    await write(`${family}-features`, draw(tiny), "last_hidden_state");
  }
  if (family === "kphi3") continue;
  for (const [bits, symmetric, size] of [
    [4, true, 32],
    [4, false, 32],
    [8, true, undefined],
    [3, false, 32],
  ] as const) {
    const rtn = methods["rtn"]!;
    const options: unknown = rtn.options.parse({
      bits,
      symmetric,
      ...(size === undefined ? {} : { group_size: size }),
    });
    await write(
      `${family}-${bits}${symmetric ? "" : "zero"}-${size ?? "all"}`,
      await rtn.apply(roomy, options, plainLab),
    );
  }
}
