/** Answers all requests of an editor about the text of an experiment, and caches what several requests share. */
import { createHash } from "node:crypto";
import { createExperimentSchema, type ExperimentSchema, type SchemaCatalog } from "../../schema/experiment";
import type {
  AttachedRun,
  Completion,
  Diagnostic,
  ExperimentText,
  Lens,
  Outline,
} from "../../protocol/service/experiments";
import { LruCache } from "../../protocol/lruCache";
import { attach, type EarlierRun } from "./attach";
import { complete, type Surroundings } from "./complete";
import { diagnose, analyze, type ExperimentAnalysis } from "./diagnose";
import { type Hover, createHover } from "./hover";
import { type Estimate, type MeasureText, createLenses } from "./lenses";
import { createOutline } from "./outline";

export class ExperimentLanguage {
  readonly #schema: ExperimentSchema;
  /**
   * Diagnostics, outline, lenses and outputs are requested for one text in turn; a window has a few open notebooks.
   */
  readonly #analyses = new LruCache<ExperimentAnalysis>({ limit: 8 });

  /** `nameOf` returns the name of a file in plans, relative to the folder of its runs. */
  constructor(
    catalog: SchemaCatalog,
    private readonly nameOf: (file: string) => string,
  ) {
    this.#schema = createExperimentSchema(catalog);
  }

  analyze({ file, text }: ExperimentText): ExperimentAnalysis {
    const name = this.nameOf(file);
    const key = createHash("sha256").update(`${file}\0${name}\0${text}`).digest("hex");
    return this.#analyses.getOrCreate(key, () => analyze({ file, text }, this.#schema, name));
  }

  check(document: ExperimentText): Diagnostic[] {
    return diagnose(document, this.analyze(document));
  }

  outline(document: ExperimentText): Outline {
    return createOutline(document, this.analyze(document));
  }

  complete(
    document: ExperimentText & { readonly offset: number },
    surroundings?: Surroundings,
  ): Completion[] {
    return complete(document, this.#schema, surroundings);
  }

  hover(document: ExperimentText & { readonly offset: number }): Hover | undefined {
    return createHover(document, this.#schema);
  }

  /** `estimate` builds the models of the plans, `measureText` finds their files. */
  lenses(document: ExperimentText, estimate: Estimate, measureText?: MeasureText): Promise<Lens[]> {
    return createLenses(this.analyze(document), estimate, measureText);
  }

  attach(document: ExperimentText, runs: readonly EarlierRun[]): AttachedRun[] {
    return attach(this.analyze(document), this.outline(document), runs);
  }
}
