/** One row of a task's data set, whose fields are checked when they are read. */
import { createHash } from "node:crypto";
import { WorkbenchError } from "../../../protocol/errors";

export class TaskDocument {
  constructor(
    private readonly values: Readonly<Record<string, unknown>>,
    /** File and row, for messages. */
    readonly where: string,
  ) {}

  /** SHA-256 of all fields, the same for JSONL and Parquet files. */
  get hash(): string {
    return createHash("sha256").update(this.key).digest("hex");
  }

  /** Equal for documents with equal fields. */
  get key(): string {
    return toSortedJson(this.values);
  }

  /** Whether the field is there and not null. */
  has(name: string): boolean {
    return Object.hasOwn(this.values, name) && this.values[name] !== null;
  }

  text(name: string): string {
    const value = this.#find(name);
    return typeof value === "string" ? value : this.#refuse(name, "a text", value);
  }

  texts(name: string): readonly string[] {
    const value = this.#find(name);
    return Array.isArray(value) && value.every((each) => typeof each === "string")
      ? value
      : this.#refuse(name, "a list of texts", value);
  }

  /** A number, or its digits as a text, as in CSV files. */
  integer(name: string): number {
    const value = this.#find(name);
    const number =
      typeof value === "bigint" || (typeof value === "string" && /^-?\d+$/.test(value))
        ? Number(value)
        : value;
    return Number.isSafeInteger(number) ? (number as number) : this.#refuse(name, "a whole number", value);
  }

  /** The place of the right one of `count` answers. */
  index(name: string, count: number): number {
    const index = this.integer(name);
    return index >= 0 && index < count
      ? index
      : this.#refuse(name, `the number of one of ${count} answers, from 0 to ${count - 1}`, index);
  }

  /** The document within a field, such as `choices` of a question. */
  inner(name: string): TaskDocument {
    const value = this.#find(name);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? new TaskDocument(value as Record<string, unknown>, `${this.where}, ${name}`)
      : this.#refuse(name, "an object", value);
  }

  refuse(why: string): never {
    throw new WorkbenchError(
      "invalid-input",
      `${this.where} cannot be evaluated: ${why}. Use a file of the same form as that of the data set on the hub.`,
    );
  }

  #find(name: string): unknown {
    if (Object.hasOwn(this.values, name)) return this.values[name];
    const present = Object.keys(this.values).join(", ");
    return this.refuse(`it has no field ${name}, only ${present === "" ? "none" : present}`);
  }

  #refuse(name: string, expected: string, value: unknown): never {
    const content = toSortedJson(value);
    return this.refuse(
      `its field ${name} has to be ${expected}, but is ${content.length > 60 ? `${content.slice(0, 60)}…` : content}`,
    );
  }
}

function toSortedJson(value: unknown): string {
  return JSON.stringify(value ?? null, (_, inner: unknown) => {
    if (typeof inner === "bigint") return Number(inner);
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
