/**
 * Self-speculation: the layers up to an exit draft tokens, and one pass of the whole model checks all of them. Logits are always
 * those of the whole model; a draft that it agrees with only saves its own passes (Leviathan et al. 2023, arXiv 2211.17192, with
 * a part of the model as the draft, as in Elhoushi et al. 2024, arXiv 2404.16710). Keys and values of a rejected draft are
 * overwritten before they are read.
 */
import type { Engine } from "../engine/engine";
import type { CacheSizes } from "../models/keyValueCache";
import { dimensionsOf } from "../models/model";
import { ApartNextToken } from "./apartNextToken";
import { ApartPrograms, type ApartText, readNumbers } from "./apartTexts";
import { buildSection } from "./exitGraphs";
import type { ExitUse } from "./exitUse";
import type { Subject } from "./metric";
import { findMostLikely } from "./sampling";

export interface DraftPolicy {
  /** Number of layers before the exit that drafts. */
  readonly draft: number;
  /** Tokens of a draft. */
  readonly tokens: number;
}

/** What is known of a text beyond its length at the time. */
interface Ahead {
  readonly length: number;
  readonly draft: readonly number[];
  /** Logits of the whole model after the text and after each token of the draft. */
  readonly logits: readonly Float32Array[];
}

export class DraftNextToken extends ApartNextToken {
  readonly #ahead = new Map<ApartText, Ahead>();
  #drafted = 0;
  #right = 0;
  #others = 0;
  #flops = 0;
  #fullFlops = 0;

  constructor(
    engine: Engine,
    model: Pick<Subject, "shape" | "tensors">,
    { batch, slots }: CacheSizes,
    private readonly policy: DraftPolicy,
  ) {
    super(new ApartPrograms(engine, model, slots), batch, true);
  }

  get exitUse(): ExitUse {
    return {
      layers: [this.policy.draft, dimensionsOf(this.programs.model.shape).layers],
      tokens: [this.#right, this.#others],
      drafted: this.#drafted,
      flops: this.#flops,
      fullFlops: this.#fullFlops,
    };
  }

  override forget(): void {
    super.forget();
    this.#ahead.clear();
  }

  protected override read(text: ApartText, ids: readonly number[], signal: AbortSignal) {
    this.#ahead.delete(text);
    return super.read(text, ids, signal);
  }

  protected override async step(
    text: ApartText,
    ids: readonly number[],
    signal: AbortSignal,
  ): Promise<Float32Array> {
    this.#fullFlops += this.programs.wholeFlops;
    const known = this.#look(text, ids);
    if (known !== undefined) {
      this.#right++;
      text.held = ids.length;
      return known;
    }
    this.#others++;
    const ahead = await this.#speculate(text, ids, signal);
    this.#ahead.set(text, ahead);
    text.held = ids.length;
    return ahead.logits[0]!;
  }

  /** The logits after a text that grew as drafted. */
  #look(text: ApartText, ids: readonly number[]): Float32Array | undefined {
    const ahead = this.#ahead.get(text);
    if (ahead === undefined) return undefined;
    const grown = ids.slice(ahead.length);
    if (grown.length === 0 || grown.some((id, i) => id !== ahead.draft[i])) return undefined;
    return ahead.logits[grown.length];
  }

  async #speculate(text: ApartText, ids: readonly number[], signal: AbortSignal): Promise<Ahead> {
    const { shape } = this.programs.model;
    const { slots } = this.programs;
    const first = ids.length - 1;
    const early = await this.programs.get("draft", () =>
      buildSection(shape, slots, { from: 0, to: this.policy.draft, confidence: "probability" }),
    );
    const draft: number[] = [];
    // The tokens of the draft need a slot each.
    const count = Math.min(this.policy.tokens, slots - ids.length);
    for (let i = 0; i < count; i++) {
      const feeds = { ids: [draft.at(-1) ?? ids.at(-1)!], position: first + i };
      const { next, confidence, logits } = await text.run(early, feeds, signal);
      next![Symbol.dispose]();
      confidence![Symbol.dispose]();
      draft.push(findMostLikely(await readNumbers(logits!)));
    }
    const all = [ids.at(-1)!, ...draft];
    const check = await this.programs.whole(all.length, all.length);
    const feeds = { ids: all, position: first, rows: all.map((_, i) => i) };
    const { logits } = await text.run(check, feeds, signal);
    const rows = await readNumbers(logits!);
    const width = rows.length / all.length;
    this.#drafted += count;
    this.#flops += count * early.flops + check.flops;
    return {
      length: ids.length,
      draft,
      logits: all.map((_, i) => rows.slice(i * width, (i + 1) * width)),
    };
  }
}
