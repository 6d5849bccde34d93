/** Rows of CSV, with the usual quoting, and of TSV, split at tabs alone: a quote in a TSV is an ordinary character. */
import { pipeline, Readable } from "node:stream";
import { CsvError, parse } from "csv-parse";
import { WorkbenchError } from "../../../protocol/errors";
import type { Row } from "./jsonRows";

export async function* delimitedRows(
  chunks: AsyncIterable<string>,
  file: string,
  delimiter: "," | "\t",
  header: boolean,
): AsyncGenerator<Row> {
  const parser = parse({
    delimiter,
    columns: false,
    skip_empty_lines: true,
    max_record_size: 1 << 26,
    ...(delimiter === "\t" ? { quote: null, escape: null } : {}),
  });
  // The iterator below reports what fails on either side.
  pipeline(Readable.from(chunks), parser, () => undefined);
  let names: readonly string[] | undefined;
  let count = 0;
  try {
    for await (const record of parser as AsyncIterable<string[]>) {
      count++;
      if (names === undefined) {
        names = header ? record : record.map((_, i) => String(i + 1));
        if (header) continue;
      }
      const values: Record<string, unknown> = {};
      for (let i = 0; i < names.length; i++) values[names[i]!] = record[i];
      yield { values, where: `${file}, record ${count}` };
    }
  } catch (thrown) {
    if (!(thrown instanceof CsvError)) throw thrown;
    throw new WorkbenchError(
      "invalid-input",
      `${file} is not ${delimiter === "," ? "CSV" : "TSV"} as expected: ${thrown.message}. ` +
        "Every record needs as many fields as the first one.",
      {},
      { cause: thrown },
    );
  }
}
