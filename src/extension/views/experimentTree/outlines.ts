/** The outlines of experiment files: asked for when a file is looked into, and kept until it changes. */
import { WorkbenchError } from "../../../protocol/errors";
import type { Outline } from "../../../protocol/service/experiments";
import { t } from "../../l10n";

/** Larger files are not experiments that a person wrote. */
export const maxBytes = 4 * 1024 * 1024;

export interface OutlineSource {
  /** The size first, so that nothing huge is read. */
  size(file: string): Promise<number>;
  read(file: string): Promise<string>;
  outline(file: string, text: string): Promise<Outline>;
}

export class Outlines {
  private readonly cache = new Map<string, Outline>();
  private readonly pending = new Map<string, Promise<Outline>>();

  constructor(private readonly source: OutlineSource) {}

  /** What is known of it without asking. */
  get(file: string): Outline | undefined {
    return this.cache.get(file);
  }

  async load(file: string): Promise<Outline> {
    const cached = this.cache.get(file);
    if (cached !== undefined) return cached;
    const pending = this.pending.get(file) ?? this.request(file);
    this.pending.set(file, pending);
    try {
      const outline = await pending;
      // A change in the meantime has taken it out, and then it is old already.
      if (this.pending.get(file) === pending) this.cache.set(file, outline);
      return outline;
    } finally {
      if (this.pending.get(file) === pending) this.pending.delete(file);
    }
  }

  forget(file: string): void {
    this.cache.delete(file);
    this.pending.delete(file);
  }

  private async request(file: string): Promise<Outline> {
    const size = await this.source.size(file);
    if (size > maxBytes)
      throw new WorkbenchError(
        "invalid-input",
        t(
          "{0} has {1} bytes, but an experiment has at most {2}. Open it as text to see what it contains.",
          file,
          size,
          maxBytes,
        ),
      );
    return this.source.outline(file, await this.source.read(file));
  }
}
