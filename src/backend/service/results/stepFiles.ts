/**
 * Reads the files that a step of a run has written, with size limits. A missing or damaged file is reported in its
 * place.
 */
import { lstatSync, readdirSync } from "node:fs";
import * as z from "zod";
import type { Block } from "../../../protocol/blocks";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import { readBounded } from "../../runs/folder/boundedFile";
import { resolveInside } from "../../runs/folder/insideFolder";

/** Far above the size of any list of results. */
const maxBytes = 8 * 2 ** 20;
const maxFiles = 50;

export class StepFiles {
  constructor(
    /** The run's folder. */
    readonly run: string,
    /** The step's folder inside the run: `steps/1-evaluate`. */
    readonly name: string,
  ) {}

  /** Throws if the file is missing, too long, a link, or not text. */
  text(file: string): string {
    return readBounded(this.path(file), maxBytes);
  }

  json<T>(file: string, schema: z.ZodType<T>): T {
    const path = this.path(file);
    let value: unknown;
    try {
      value = JSON.parse(this.text(file));
    } catch (thrown) {
      if (!(thrown instanceof SyntaxError)) throw thrown;
      throw new WorkbenchError("corrupt", `${path} is not complete JSON.`, {}, { cause: thrown });
    }
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    throw new WorkbenchError(
      "corrupt",
      `${path} is invalid at ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}.`,
    );
  }

  has(file: string): boolean {
    return lstatSync(this.path(file), { throwIfNoEntry: false }) !== undefined;
  }

  /** Plain files of a folder as links that open them; empty if there is no such folder. */
  fileLinks(folder: string): Block[] {
    const path = this.path(folder);
    if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => name)
      .sort()
      .slice(0, maxFiles)
      .map((name) => this.link(`${folder}/${name}`));
  }

  link(file: string): Block {
    const path = this.path(file);
    const bytes = lstatSync(path, { throwIfNoEntry: false })?.size;
    return { kind: "file", label: file, path, ...(bytes === undefined ? {} : { bytes }) };
  }

  private path(file: string): string {
    return resolveInside(this.run, this.name, file);
  }

  /** Returns what `read` returns, or the reason why it fails, so that one damaged file does not hide the others. */
  blocks(file: string, read: () => readonly Block[]): readonly Block[] {
    try {
      return read();
    } catch (thrown) {
      const { code, message } = toWorkbenchError(thrown);
      const reason = code === "not-found" ? "the file is missing" : message.replace(/\.$/, "");
      return [{ kind: "text", text: `${file} of this step can't be shown: ${reason}.` }];
    }
  }
}
