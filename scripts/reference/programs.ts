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
  mlx: () => ({ dtype: "float32" }),
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

/** Settings that programs compute in ways of their own. */
const settings: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>> = {
  llama: [
    { attention_bias: true, mlp_bias: true, tie_word_embeddings: true },
    {
      rope_parameters: {
        rope_type: "llama3",
        rope_theta: 500,
        factor: 4,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 8,
      },
    },
  ],
  mistral: [{ rope_scaling: { type: "linear", factor: 2.5 }, head_dim: 16 }],
  qwen2: [{ rope_scaling: { rope_type: "linear", factor: 3 }, tie_word_embeddings: true }],
  smollm3: [{ rope_parameters: { rope_theta: 70 }, no_rope_layers: [0, 1], attention_bias: true }],
  phi: [{ rope_parameters: { rope_theta: 70, partial_rotary_factor: 0.25 } }],
  phi3: [{ partial_rotary_factor: 0.5, tie_word_embeddings: true }],
  gemma2: [{ query_pre_attn_scalar: 24, attn_logit_softcapping: 2, final_logit_softcapping: 5 }],
  gemma3_text: [
    { rope_scaling: { rope_type: "linear", factor: 3 }, rope_local_base_freq: 70, sliding_window: 5 },
    { layer_types: ["sliding_attention", "full_attention"], sliding_window: 4 },
  ],
  gpt_neox: [
    { rope_parameters: { rope_theta: 70, partial_rotary_factor: 0.5 }, use_parallel_residual: false },
  ],
};

/** Bits, symmetry and group size. */
type Coding = readonly [bits: number, symmetric: boolean, size?: number];
const codings: readonly Coding[] = [
  [4, true, 32],
  [4, false, 32],
  [8, true],
  [3, false, 32],
];
const moreCodings: readonly Coding[] = [
  [2, false, 32],
  [5, true],
  [6, false, 64],
  [7, true, 32],
];

function round(model: Checkpoint, [bits, symmetric, size]: Coding, targets?: string): Promise<Checkpoint> {
  const rtn = methods["rtn"]!;
  const options: unknown = rtn.options.parse({
    bits,
    symmetric,
    ...(size === undefined ? {} : { group_size: size }),
    ...(targets === undefined ? {} : { targets }),
  });
  return rtn.apply(model, options, plainLab);
}

for (const family of Object.keys(models)) {
  const tiny = createTinyShape(family, { vocab_size: 257 });
  await write(`${family}-tiny`, draw(tiny));
  const changes = { vocab_size: 257, ...(family === "gpt_neox" ? { hidden_act: "gelu_new" } : {}) };
  const roomy = draw(createRoomyShape(family, changes));
  await write(family, roomy);
  for (const [i, each] of (settings[family] ?? []).entries())
    await write(`${family}-settings-${i}`, draw(createRoomyShape(family, { ...changes, ...each })));
  if (familyOf(family).mask !== "causal") {
    await write(
      `${family}-classes`,
      draw(createClassifierShape(tiny, { kind: "classes", names: ["a", "b", "c"] })),
    );
    await write(`${family}-features`, draw(tiny), "last_hidden_state");
  }
  if (family === "kphi3") continue;
  for (const coding of family === "llama" ? [...codings, ...moreCodings] : codings) {
    const [bits, symmetric, size] = coding;
    const name = `${family}-${bits}${symmetric ? "" : "zero"}-${size ?? "all"}`;
    if (size !== 64) await write(name, await round(roomy, coding));
    else await write(name, await round(roomy, coding, "*.down_proj"));
  }
  if (family === "llama") {
    const [first, second] = [
      [4, false, 32],
      [8, true],
    ] as const;
    await write(
      `${family}-mixed`,
      await round(await round(roomy, first, "*.mlp.*"), second, "*.self_attn.*"),
    );
  }
}
