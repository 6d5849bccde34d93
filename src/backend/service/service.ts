/**
 * What the handlers of the backend service share. There is one service per window; it never trains and never loads
 * the engine.
 */
import type { Events } from "../../protocol/backend";
import type { SchemaCatalog } from "../../schema/experiment";
import type { RunIndex } from "./runs/runIndex";

export interface Service {
  /** The runs of the opened folders. Requests can name no other runs. */
  readonly runs: RunIndex;
  /** The window's folders, which help to decide where runs are stored: see `findWorkspace`. */
  readonly folders: readonly string[];
  /** Absolute paths of the experiments that the window has found or opened. */
  readonly experiments: readonly string[];
  /** Throws `unsupported` in an untrusted workspace; `what` names the refused action in the message. */
  requireTrust(what: string): void;
  /**
   * Before a device of PyTorch may be used for this file: passes the interpreters that the window names to this process and
   * to those that it starts. Throws `unsupported` in an untrusted workspace.
   */
  adoptPython(file?: string): Promise<void>;
  emit<K extends keyof Events>(name: K, payload: Events[K]): void;
  /**
   * What experiments may contain: families, methods, data sets, … Loaded on first use, since it loads the whole
   * backend.
   */
  catalog(): Promise<SchemaCatalog>;
  /** Marks work that must not be left half done: the service waits for it before it ends with its window. */
  finish<T>(task: Promise<T>): Promise<T>;
}
