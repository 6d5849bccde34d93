/** Reads the rows of files of any format of rows. */
import type { DataOptions } from "../../schema/experiment";
import type { DataFile } from "./files";
import { arrowRows } from "./formats/arrowRows";
import { decodedText, type ReadContext } from "./formats/decodedText";
import { delimitedRows, type Dialect } from "./formats/delimitedRows";
import { jsonLines, jsonObjects } from "./formats/jsonRows";
import { parquetRows } from "./formats/parquetRows";
import type { Row } from "./formats/row";
import { assertColumns, missingColumn, type RowReader } from "./rowDocuments";
import type { RowScreen } from "./rowScreen";

type Columns = readonly string[];

export class RowFiles {
  readonly #options: DataOptions;
  readonly #screen: RowScreen;
  readonly #temporaryFolder: string;
  /** Columns of the text and of the condition. */
  readonly #columns: Columns;
  /** Keys that no JSON object has had so far; undefined until there was an object. */
  #unseen: Set<string> | undefined;
  /** The first JSON object, to name its keys. */
  #first: Row | undefined;

  constructor(options: DataOptions, reader: RowReader, screen: RowScreen, temporaryFolder: string) {
    this.#options = options;
    this.#screen = screen;
    this.#temporaryFolder = temporaryFolder;
    this.#columns = [...new Set([...reader.columns, ...screen.columns])];
  }

  /** Rows that are well formed and meet the condition. */
  async *rows(file: DataFile, context: ReadContext): AsyncGenerator<Row> {
    const isJson = file.format === "jsonl" || file.format === "json";
    for await (const row of this.#all(file, context)) {
      if (isJson) this.#see(row);
      if (this.#screen.meetsCondition(row)) yield row;
    }
  }

  /** A key that a JSON object does not have is null, but one that no object has is a mistake. */
  assertSeen(): void {
    const [unseen] = this.#unseen ?? [];
    if (unseen !== undefined)
      throw missingColumn(unseen, Object.keys(this.#first!.values), this.#first!.where);
  }

  #see(row: Row): void {
    this.#first ??= row;
    this.#unseen ??= new Set(this.#columns);
    for (const column of this.#unseen) if (Object.hasOwn(row.values, column)) this.#unseen.delete(column);
  }

  #all(file: DataFile, context: ReadContext): AsyncGenerator<Row> {
    const { onBadRow } = this.#screen;
    const text = () => decodedText(file, this.#options.encoding, context);
    const wanted = (available: Columns): Columns => {
      assertColumns(this.#columns, available, file.path);
      return this.#columns;
    };
    switch (file.format) {
      case "json":
        return jsonObjects(text(), file.path, onBadRow);
      case "csv":
      case "tsv":
        return delimitedRows(text(), file.path, this.#dialectOf(file.format), onBadRow, wanted);
      case "parquet":
        return parquetRows(file, wanted, this.#temporaryFolder, context);
      case "arrow":
        return arrowRows(file, wanted, context);
      default:
        return jsonLines(text(), file.path, onBadRow);
    }
  }

  #dialectOf(format: "csv" | "tsv"): Dialect {
    const { delimiter = format === "csv" ? "," : "\t", quoting, header } = this.#options;
    const standard = format === "csv" ? "standard" : "unquoted";
    return { delimiter, header, quoting: quoting === "auto" ? standard : quoting };
  }
}
