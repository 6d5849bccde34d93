/** Every method after every other one, planned on a small model: which pairs work, and why the others are refused. */
import { methods } from "../src/backend/methods/catalog";
import type { AnyMethod } from "../src/backend/compression/method";
import { createShape, type ModelShape } from "../src/backend/models/model";
import { WorkbenchError } from "../src/protocol/errors";

/** A model in which every method can be applied at least twice: as many key-value heads as heads, and sizes with many divisors. */
export function createPairShape(): ModelShape {
  return createShape({
    model_type: "llama",
    vocab_size: 32,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    max_position_embeddings: 16,
  });
}

/** The defaults of a method at half of its rate, or at the third of its levels, with little text. */
export function createPairOptions({ rate, levels, options }: AnyMethod): unknown {
  const half = rate === undefined ? {} : { [rate]: levels?.[2] ?? 0.5 };
  const quick = options.safeParse({ ...half, calibration: { samples: 2, batch_size: 2 } });
  return quick.success ? quick.data : options.parse(half);
}

export interface MethodPair {
  readonly first: string;
  readonly second: string;
  /** Why the second method cannot be applied; undefined if it can. */
  readonly refusal?: string;
}

/** Plans all ordered pairs. */
export function planPairs(): MethodPair[] {
  const names = Object.keys(methods);
  return names.flatMap((first) => {
    const once = methods[first]!.plan(createPairShape(), createPairOptions(methods[first]!)).shape;
    return names.map((second) => ({ first, second, ...findRefusal(methods[second]!, once) }));
  });
}

function findRefusal(method: AnyMethod, shape: ModelShape): Pick<MethodPair, "refusal"> {
  try {
    method.plan(shape, createPairOptions(method));
    return {};
  } catch (thrown) {
    if (!(thrown instanceof WorkbenchError)) throw thrown;
    return { refusal: thrown.message };
  }
}

/** A Markdown table with the first method in rows and the second in columns, and the reasons of its refusals. */
export function createPairTable(): string {
  const pairs = planPairs();
  const names = Object.keys(methods);
  const reasons: string[] = [];
  const cells = new Map<string, string>();
  for (const { first, second, refusal } of pairs) {
    const reason = refusal && generalize(refusal);
    if (reason !== undefined && !reasons.includes(reason)) reasons.push(reason);
    cells.set(`${first} ${second}`, reason === undefined ? "✓" : String(reasons.indexOf(reason) + 1));
  }
  const row = (first: string) => [`\`${first}\``, ...names.map((second) => cells.get(`${first} ${second}`)!)];
  const lines = [
    ["first, then", ...names.map((name) => `\`${name}\``)],
    ["---", ...names.map(() => ":-:")],
    ...names.map(row),
  ];
  return [
    ...lines.map((line) => `| ${line.join(" | ")} |`),
    "",
    ...reasons.map((reason, i) => `${i + 1}. ${reason}`),
  ].join("\n");
}

/** A reason without the roles of the model and the title of the method. */
export function generalize(message: string): string {
  const type = /is stored as (\w+)/.exec(message)?.[1];
  if (type !== undefined) return `A matrix is stored as \`${type}\`, which the second method does not treat.`;
  const reason = message
    .replace(/^.* cannot be applied: /, "")
    .replace(/ \(and so for \d+ more\)/, "")
    .replaceAll(/(layers\.\d+\.|embed_)[\w.]*\w/g, "a matrix")
    .replaceAll(/(a matrix, )+a matrix/g, "some matrices")
    .replace(/with \d+ inputs and \d+ outputs/, "with different numbers of inputs and outputs");
  return `${reason.charAt(0).toUpperCase()}${reason.slice(1)}`;
}
