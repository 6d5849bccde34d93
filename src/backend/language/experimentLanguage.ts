/** Answers all requests of an editor about the text of an experiment, and caches what several requests share. */
import { createHash } from "node:crypto";
import { experimentSchema, type ExperimentSchema, type SchemaCatalog } from "../../schema/experiment";
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
import { diagnose, understand, type Understood } from "./diagnose";
import { type Hover, hover } from "./hover";
import { type Estimate, lensesOf } from "./lenses";
import { outlineOf } from "./outline";

export class ExperimentLanguage {
  readonly #schema: ExperimentSchema;
  /**
   * Diagnostics, outline, lenses and outputs are requested for one text in turn; a window has a few open notebooks.
   */
  readonly #understood = new LruCache<Understood>({ limit: 8 });

  /** `nameOf` returns the name of a file in plans, relative to the folder of its runs. */
  constructor(
    catalog: SchemaCatalog,
    private readonly nameOf: (file: string) => string,
  ) {
    this.#schema = experimentSchema(catalog);
  }

  understand({ file, text }: ExperimentText): Understood {
    const name = this.nameOf(file);
    const key = createHash("sha256").update(`${file}\0${name}\0${text}`).digest("hex");
    return this.#understood.getOrCreate(key, () => understand({ file, text }, this.#schema, name));
  }

  check(document: ExperimentText): Diagnostic[] {
    return diagnose(document, this.understand(document));
  }

  outline(document: ExperimentText): Outline {
    return outlineOf(document, this.understand(document));
  }

  complete(
    document: ExperimentText & { readonly offset: number },
    surroundings?: Surroundings,
  ): Completion[] {
    return complete(document, this.#schema, surroundings);
  }

  hover(document: ExperimentText & { readonly offset: number }): Hover | undefined {
    return hover(document, this.#schema);
  }

  /** `estimate` builds the models of the plans. */
  lenses(document: ExperimentText, estimate: Estimate): Promise<Lens[]> {
    return lensesOf(this.understand(document), estimate);
  }

  attach(document: ExperimentText, runs: readonly EarlierRun[]): AttachedRun[] {
    return attach(this.understand(document), this.outline(document), runs);
  }
}
