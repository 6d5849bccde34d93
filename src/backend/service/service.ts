/** What the handlers of the backend service share. One service a window; it never trains, and it never loads the engine. */
import type { Events } from "../../protocol/backend";
import type { SchemaCatalog } from "../../schema/experiment";
import type { RunIndex } from "./runs/runIndex";

export interface Service {
  /** The runs of the opened folders. A run that is not in it does not exist for any request. */
  readonly runs: RunIndex;
  /** The window's folders, which have a say in where runs go: see `workspaceOf`. */
  readonly folders: readonly string[];
  /** Absolute paths of the experiments that the window has found or opened. */
  readonly experiments: readonly string[];
  /** Throws `unsupported` in a workspace that is not trusted: `what` names the refused deed. */
  requireTrust(what: string): void;
  emit<K extends keyof Events>(name: K, payload: Events[K]): void;
  /** What experiments may say: families, methods, data sets, … Loaded on first use, since it brings the whole backend. */
  catalog(): Promise<SchemaCatalog>;
  /** Marks a deed that must not be left half done: the service waits for it before it ends with its window. */
  finish<T>(deed: Promise<T>): Promise<T>;
}
