/** A line for the log of the extension, from whichever part of it. */
export type Log = (level: "info" | "warning" | "error", message: string) => void;
