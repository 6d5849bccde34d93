/** Reads the rows of files of any format of rows. */
import type { DataOptions } from "../../schema/experiment";
import type { DataFile } from "./files";
import { readArrowRows } from "./formats/arrowRows";
import { readDecodedText, type ReadContext } from "./formats/decodedText";
import { readDelimitedRows, type Dialect } from "./formats/delimitedRows";
import { readJsonLines, readJsonObjects } from "./formats/jsonRows";
import { readParquetRows } from "./formats/parquetRows";
import type { Row } from "./formats/row";
import { assertColumns, missingColumnError, type RowReader } from "./rowDocuments";
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
      if (isJson) this.#recordColumns(row);
      if (this.#screen.meetsCondition(row)) yield row;
    }
  }

  /** A key that a JSON object does not have is null, but one that no object has is a mistake. */
  assertSeen(): void {
    const [unseen] = this.#unseen ?? [];
    if (unseen !== undefined)
      throw missingColumnError(unseen, Object.keys(this.#first!.values), this.#first!.where);
  }

  #recordColumns(row: Row): void {
    this.#first ??= row;
    this.#unseen ??= new Set(this.#columns);
    for (const column of this.#unseen) if (Object.hasOwn(row.values, column)) this.#unseen.delete(column);
  }

  #all(file: DataFile, context: ReadContext): AsyncGenerator<Row> {
    const { onBadRow } = this.#screen;
    const text = () => readDecodedText(file, this.#options.encoding, context);
    const selectColumns = (available: Columns): Columns => {
      assertColumns(this.#columns, available, file.path);
      return this.#columns;
    };
    switch (file.format) {
      case "json":
        return readJsonObjects(text(), file.path, onBadRow);
      case "csv":
      case "tsv":
        return readDelimitedRows(text(), file.path, this.#dialectOf(file.format), onBadRow, selectColumns);
      case "parquet":
        return readParquetRows(file, selectColumns, this.#temporaryFolder, context);
      case "arrow":
        return readArrowRows(file, selectColumns, context);
      default:
        return readJsonLines(text(), file.path, onBadRow);
    }
  }

  #dialectOf(format: "csv" | "tsv"): Dialect {
    const { delimiter = format === "csv" ? "," : "\t", quoting, header } = this.#options;
    const standard = format === "csv" ? "standard" : "unquoted";
    return { delimiter, header, quoting: quoting === "auto" ? standard : quoting };
  }
}
