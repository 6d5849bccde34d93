/**
 * Checks what the native library takes for granted in a `tokenizer.json`. Where it is wrong there, the library does not
 * throw: it ends the process.
 */
import { checkCharsmap } from "./charsmap";

type Step = Readonly<Record<string, unknown>>;

/** `null`, or any step of the file; a sequence of steps is walked through. Throws an `Error` with the reason. */
export interface UncheckedFile {
  readonly model: {
    readonly type?: string | undefined;
    readonly vocab: object;
    readonly merges?: readonly unknown[] | undefined;
    readonly continuing_subword_prefix?: string | null | undefined;
  };
  readonly normalizer: unknown;
  readonly pre_tokenizer: unknown;
  readonly post_processor: unknown;
}

export function checkTokenizerFile(file: UncheckedFile): void {
  checkMerges(file.model);
  for (const step of stepsOf(file.normalizer))
    if (step["type"] === "Precompiled") checkCharsmap(step["precompiled_charsmap"]);
  for (const step of stepsOf(file.pre_tokenizer))
    if (step["type"] === "FixedLength" && step["length"] === 0)
      throw new Error("pre_tokenizer: FixedLength.length is 0, and must be at least 1");
  for (const step of stepsOf(file.post_processor))
    if (step["type"] === "TemplateProcessing") checkTemplate(step);
}

function* stepsOf(step: unknown): Generator<Step> {
  if (typeof step !== "object" || step === null) return;
  yield step as Step;
  for (const name of ["normalizers", "pretokenizers", "processors"]) {
    const steps = (step as Step)[name];
    if (Array.isArray(steps)) for (const each of steps) yield* stepsOf(each);
  }
}

function checkMerges({
  vocab,
  merges = [],
  continuing_subword_prefix: prefix,
}: UncheckedFile["model"]): void {
  if (Array.isArray(vocab)) return;
  for (const merge of merges) {
    const pair: readonly unknown[] = Array.isArray(merge) ? merge : String(merge).split(" ");
    const [left, right] = pair;
    if (pair.length !== 2 || typeof left !== "string" || typeof right !== "string") continue;
    if (!right.startsWith(prefix ?? ""))
      throw new Error(
        `model.merges: ${JSON.stringify(pair.join(" "))} joins a token without the continuing_subword_prefix ${JSON.stringify(prefix)}`,
      );
    const merged = left + right.slice(prefix?.length ?? 0);
    for (const token of [left, right, merged])
      if (!Object.hasOwn(vocab, token))
        throw new Error(
          `model.merges: ${JSON.stringify(pair.join(" "))} needs the token ${JSON.stringify(token)}, which model.vocab lacks`,
        );
  }
}

function checkTemplate(step: Step): void {
  const known = step["special_tokens"];
  const names =
    typeof known === "object" && known !== null
      ? new Set(Array.isArray(known) ? known.map((each) => (each as Step)["id"]) : Object.keys(known))
      : new Set();
  for (const [part, sequences] of [
    ["single", ["A"]],
    ["pair", ["A", "B"]],
  ] as const) {
    const pieces = step[part];
    if (!Array.isArray(pieces)) continue;
    for (const { SpecialToken: token, Sequence: sequence } of pieces as Record<string, Step | undefined>[]) {
      const name = token?.["id"];
      if (token !== undefined && !names.has(name))
        throw new Error(
          `post_processor.${part} names ${JSON.stringify(name)}, which is not in special_tokens`,
        );
      if (sequence !== undefined && !sequences.includes(sequence["id"] as "A"))
        throw new Error(`post_processor.${part} has the sequence ${JSON.stringify(sequence["id"])}`);
    }
  }
}
