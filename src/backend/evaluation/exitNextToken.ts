/**
 * Texts that leave a model early: a token passes the layers up to the first exit whose confidence is at least the threshold
 * (Sun et al., ICSE 2024, arXiv 2401.09964). Prompts pass all layers. Each text runs apart, so that it leaves when it can.
 */
import type { Engine, Tensor } from "../engine/engine";
import { getExitLayers } from "../models/exits";
import type { CacheSizes } from "../models/keyValueCache";
import { dimensionsOf } from "../models/model";
import { ApartNextToken } from "./apartNextToken";
import { ApartPrograms, type ApartText, type CountedProgram, readNumbers } from "./apartTexts";
import { buildExitHead, buildLastSection, buildSection, buildStateCopy, type Confidence } from "./exitGraphs";
import type { ExitUse } from "./exitUse";
import type { Subject } from "./metric";

export interface ExitPolicy {
  readonly threshold: number;
  readonly confidence: Confidence;
  /** Ends a text at an exit whose classifier gives `stop` at least this probability; never when left out. */
  readonly stop?: number | undefined;
  /** Where each token leaves, in order, instead of by its confidence: an index of `ExitUse.layers`. */
  readonly places?: readonly number[];
}

export class ExitNextToken extends ApartNextToken {
  readonly #layers: readonly number[];
  readonly #places: number[] = [];
  #flops = 0;
  #fullFlops = 0;

  constructor(
    engine: Engine,
    model: Pick<Subject, "shape" | "tensors">,
    { batch, slots }: CacheSizes,
    private readonly policy: ExitPolicy,
    /** Programs for so many slots, which other texts use too and which are closed elsewhere. */
    shared?: ApartPrograms,
  ) {
    super(shared ?? new ApartPrograms(engine, model, slots), batch, shared === undefined);
    this.#layers = [...getExitLayers(model.shape.config), dimensionsOf(model.shape).layers];
  }

  /** Where each token left, in order: an index of `exitUse.layers`. */
  get places(): readonly number[] {
    return this.#places;
  }

  get exitUse(): ExitUse {
    const layers = this.#layers;
    const tokens = layers.map(() => 0);
    for (const place of this.#places) tokens[place]!++;
    return { layers, tokens, drafted: 0, flops: this.#flops, fullFlops: this.#fullFlops };
  }

  /** Computes the last token of a text up to an exit; undefined if the text ends there. */
  protected override async step(
    text: ApartText,
    ids: readonly number[],
    signal: AbortSignal,
  ): Promise<Float32Array | undefined> {
    const { threshold, confidence, stop: stopAt = Infinity, places } = this.policy;
    const place = places?.[this.#places.length];
    const { shape } = this.programs.model;
    const { slots } = this.programs;
    const token = { ids: ids.slice(-1), position: ids.length - 1 };
    text.held = Math.max(text.held, ids.length);
    this.#fullFlops += this.programs.wholeFlops;
    const count = (program: CountedProgram) => {
      this.#flops += program.flops;
      return program;
    };
    const run = (program: CountedProgram, input?: Tensor) =>
      text.run(count(program), { ...token, ...(input === undefined ? {} : { state: input }) }, signal);
    const exits = this.#layers.slice(0, -1);
    let from = 0;
    let state: Tensor | undefined;
    for (const [i, to] of exits.entries()) {
      const section = await this.programs.get(`layers ${from} to ${to}, ${confidence}`, () =>
        buildSection(shape, slots, { from, to, confidence }),
      );
      const outputs = await run(section, state);
      state?.[Symbol.dispose]();
      state = outputs.next!;
      const [share, stop = 0] = await readNumbers(outputs.confidence!);
      if (stop >= stopAt) {
        state[Symbol.dispose]();
        return undefined;
      }
      if (place === undefined ? share! < threshold : i < place) {
        outputs.logits?.[Symbol.dispose]();
        from = to;
        continue;
      }
      const copy = await this.programs.get(`copy from ${to}`, () => buildStateCopy(shape, slots, to));
      await run(copy, state);
      const head = () => this.programs.get(`head after ${to}`, () => buildExitHead(shape, to));
      const logits = outputs.logits ?? (await run(await head(), state)).logits!;
      state[Symbol.dispose]();
      this.#places.push(i);
      return readNumbers(logits);
    }
    const rest = await this.programs.get(`layers from ${from}`, () => buildLastSection(shape, slots, from));
    const { logits } = await run(rest, state);
    state?.[Symbol.dispose]();
    this.#places.push(exits.length);
    return readNumbers(logits!);
  }
}
