/** Next-token logits of texts that run apart from each other, each with a cache of all of its tokens. */
import { dimensionsOf } from "../models/model";
import { type ApartPrograms, ApartText } from "./apartTexts";
import type { ExitUse } from "./exitUse";
import type { GrowingText, NextToken } from "./nextToken";

export abstract class ApartNextToken implements NextToken {
  protected readonly texts: readonly ApartText[];
  /** Texts that ended in the last call, by their number. */
  readonly stopped = new Set<number>();

  constructor(
    protected readonly programs: ApartPrograms,
    batch: number,
    /** Whether the programs are closed with the texts, because no others use them. */
    private readonly ownsPrograms: boolean,
  ) {
    this.texts = Array.from({ length: batch }, () => new ApartText(programs));
  }

  abstract readonly exitUse: ExitUse;

  /** The logits after a text that is in the cache except for its last token at most; undefined if the text ends. */
  protected abstract step(
    text: ApartText,
    ids: readonly number[],
    signal: AbortSignal,
  ): Promise<Float32Array | undefined>;

  /** The logits after a text that begins. */
  protected read(text: ApartText, ids: readonly number[], signal: AbortSignal): Promise<Float32Array> {
    return text.read(ids, signal);
  }

  get cacheBytes(): number {
    return this.texts.length * this.programs.cacheBytes;
  }

  forget(): void {
    for (const text of this.texts) text.held = 0;
  }

  async logits(texts: readonly GrowingText[], signal: AbortSignal): Promise<Float32Array> {
    const { vocabulary } = dimensionsOf(this.programs.model.shape);
    const result = new Float32Array(texts.length * vocabulary);
    this.stopped.clear();
    for (const [i, { ids, isOpen }] of texts.entries()) {
      if (!isOpen) continue;
      const text = this.texts[i]!;
      const isStep = text.held > 0 && ids.length - 1 <= text.held;
      const logits = await (isStep ? this.step(text, ids, signal) : this.read(text, ids, signal));
      if (logits === undefined) this.stopped.add(i);
      else result.set(logits, i * vocabulary);
    }
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const text of this.texts) text[Symbol.dispose]();
    if (this.ownsPrograms) await this.programs[Symbol.asyncDispose]();
  }
}
