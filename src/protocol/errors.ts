/** The one error type that crosses a boundary: command line, run folder, extension. Callers switch on `code`, never on text. */

export type ErrorCode =
  | "invalid-input" // an experiment, option or file that a person has to change
  | "not-found" // a file, run, data set or model that is not there
  | "unsupported" // understood, but not possible with this model, device or platform
  | "device-failed" // the execution provider could not start or gave up
  | "diverged" // a loss or gradient stopped being a number
  | "disk-full"
  | "io" // reading or writing failed: permissions, missing folder, broken file
  | "corrupt" // a file written by Lathe whose content contradicts itself
  | "network"
  | "busy" // somebody else holds the run or the device
  | "cancelled"
  | "process-died" // a process that the run needs ended; the run is interrupted and can be resumed
  | "internal";

export interface Position {
  readonly file: string;
  /** 1-based, as editors show them. */
  readonly line: number;
  readonly column: number;
}

export interface ErrorDetails {
  readonly position?: Position;
  /** The values that would have been accepted. */
  readonly allowed?: readonly string[];
  /** The nearest accepted value to what was written. */
  readonly nearest?: string;
  readonly [key: string]: unknown;
}

/** `message` states what is wrong, where, and what to do next, in one or two sentences. */
export class WorkbenchError extends Error {
  override readonly name = "WorkbenchError";
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: ErrorDetails = {},
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** Several faults of one file, reported together so that they can be fixed together. */
export class InvalidInput extends WorkbenchError {
  constructor(readonly faults: readonly WorkbenchError[]) {
    super("invalid-input", faults.map((fault) => fault.message).join("\n"), faults[0]?.details ?? {});
  }
}

/**
 * Converts anything thrown into a WorkbenchError; any other error becomes `internal` with its cause. `path` is the file in
 * use, for system errors without a path, such as those of writing to a descriptor.
 */
export function toWorkbenchError(thrown: unknown, path?: string): WorkbenchError {
  if (thrown instanceof WorkbenchError) return thrown;
  const cause = thrown as { code?: string; message?: string; path?: string; syscall?: string };
  const filePath = cause.path ?? path;
  const location = filePath === undefined ? "" : ` (${filePath})`;
  switch (cause.code) {
    case "ENOSPC":
    case "EDQUOT":
      return new WorkbenchError(
        "disk-full",
        `The disk is full${location}. Free some space, then resume the run.`,
        {},
        { cause },
      );
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new WorkbenchError(
        "io",
        `No permission to write or read${location}. Choose another folder with --out or change its permissions.`,
        {},
        { cause },
      );
    case "ENOENT":
      // Node reports this for a read-only file system if it must create parent folders too.
      if (cause.syscall === "mkdir")
        return new WorkbenchError(
          "io",
          `Could not create the folder${location}: the file system is read-only, or its parent is not a folder. Choose another folder.`,
          {},
          { cause },
        );
      return new WorkbenchError("not-found", `No such file or folder${location}.`, {}, { cause });
    case "EISDIR":
    case "ENOTDIR":
    case "EIO":
    case "EMFILE":
      return new WorkbenchError(
        "io",
        `${cause.message ?? "Input or output failed"}${location}.`,
        {},
        { cause },
      );
    default:
      return new WorkbenchError(
        "internal",
        thrown instanceof Error ? thrown.message : String(thrown),
        {},
        { cause },
      );
  }
}

/** The process exit status of the command line for an error: 2 unusable input, 3 stopped, 1 anything else. */
export function getExitStatus(error: WorkbenchError): 1 | 2 | 3 {
  switch (error.code) {
    case "invalid-input":
    case "not-found":
    case "unsupported":
    case "device-failed":
    case "corrupt":
      return 2;
    case "cancelled":
      return 3;
    default:
      return 1;
  }
}
