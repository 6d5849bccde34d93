/** The documents of a split of a task: rows of local files, or of the Parquet files on the hub. */
import { readdir } from "node:fs/promises";
import path from "node:path";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import { findFiles, type DataFile } from "../../data/files";
import { readArrowRows } from "../../data/formats/arrowRows";
import { type ReadContext, readDecodedText } from "../../data/formats/decodedText";
import { readDelimitedRows } from "../../data/formats/delimitedRows";
import { readJsonLines, readJsonObjects } from "../../data/formats/jsonRows";
import { readParquetRows } from "../../data/formats/parquetRows";
import type { Row } from "../../data/formats/row";
import { locateHubFiles } from "../../data/hubDataSet";
import { getDefaultCacheFolder } from "../../data/cacheFolder";
import type { DownloadContext } from "../../data/download";
import type { EvaluationLab } from "../metric";
import { TaskDocument } from "./document";
import type { TaskData } from "./task";

/** Where the files of tasks are. */
export interface DocumentPlaces extends DownloadContext {
  /** Folder of relative paths. */
  readonly baseFolder: string;
  readonly cacheFolder: string;
  /** Folder with a folder of files for each data set; undefined for those of the hub. */
  readonly dataFolder: string | undefined;
}

/** `dataFolder` is that of local files, relative to the places of the lab. */
export function createDocumentPlaces(lab: EvaluationLab, dataFolder: string | undefined): DocumentPlaces {
  return {
    baseFolder: lab.places?.baseFolder ?? process.cwd(),
    cacheFolder: lab.places?.cacheFolder ?? getDefaultCacheFolder(),
    dataFolder,
    signal: lab.signal,
    progress: (done, total, what) => lab.progress(done, total, what),
  };
}

const extensions = "parquet|jsonl|ndjson|json|csv|tsv|arrow";

/** The first `limit` rows of a split. */
export async function readDocuments(
  data: TaskData,
  split: string,
  places: DocumentPlaces,
  limit = Infinity,
): Promise<TaskDocument[]> {
  const files = await locateFiles(data, split, places);
  const documents: TaskDocument[] = [];
  for (const file of files)
    for await (const { values, where } of readRows(file, places)) {
      if (documents.length >= limit) return documents;
      documents.push(new TaskDocument(values, where));
    }
  if (documents.length === 0)
    throw new WorkbenchError(
      "invalid-input",
      `The split ${split} of ${data.folder} has no rows. Provide a file with at least one.`,
    );
  return documents;
}

async function locateFiles(data: TaskData, split: string, places: DocumentPlaces): Promise<DataFile[]> {
  const { baseFolder, dataFolder } = places;
  if (dataFolder !== undefined) return findLocalFiles(data, split, { baseFolder, dataFolder });
  if (data.file !== undefined) throw downloadError(data, split);
  const entry = {
    title: data.folder,
    folder: path.join("tasks", data.folder),
    licence: data.license,
    purpose: "Evaluation.",
    // The main split only decides the name of the list of files.
    hub: { id: data.hub, split: "train", ...(data.config === undefined ? {} : { config: data.config }) },
  };
  const context = { ...places, dataFolder: process.env["LATHE_DATA"] };
  return findFiles(
    await locateHubFiles(data.folder, entry, context, process.env, split),
    baseFolder,
    "parquet",
  );
}

type LocalPlaces = Pick<DocumentPlaces, "baseFolder" | "dataFolder">;

/** Refuses local files without the split, and data that is not downloaded. */
export async function refuseMissingFiles(data: TaskData, split: string, places: LocalPlaces): Promise<void> {
  const { baseFolder, dataFolder } = places;
  if (dataFolder !== undefined) await findLocalFiles(data, split, { baseFolder, dataFolder });
  else if (data.file !== undefined) throw downloadError(data, split);
}

function downloadError({ folder, hub, file }: TaskData, split: string): WorkbenchError {
  return new WorkbenchError(
    "not-found",
    `${folder} is not downloaded, because papers use one file of it. Place ${file!} of the data set ${hub} on the hub at ${folder}/${split}.json.gz in a folder, and name the folder in data_dir.`,
  );
}

async function findLocalFiles(
  data: TaskData,
  split: string,
  { baseFolder, dataFolder }: { readonly baseFolder: string; readonly dataFolder: string },
): Promise<DataFile[]> {
  const folder = path.resolve(baseFolder, dataFolder, data.folder);
  const files = await findSplitFiles(folder, split);
  if (files.length > 0) return files;
  throw new WorkbenchError(
    "not-found",
    `${folder} has no file of the split ${split}. Place ${split}.jsonl or ${split}.parquet there, with the rows of ${data.hub} on the hub, or leave out data_dir to download them.`,
  );
}

/** Those named for the split: `test.jsonl`, `test-00000-of-00002.parquet`. */
async function findSplitFiles(folder: string, split: string): Promise<DataFile[]> {
  const isOfSplit = new RegExp(`^${split}([-.].*)?\\.(?:${extensions})(?:\\.gz|\\.zst)?$`);
  const names = await readdir(folder).catch((thrown: unknown) => {
    const error = toWorkbenchError(thrown);
    if (error.code === "not-found") return [];
    throw error;
  });
  const files = await findFiles(
    names.filter((name) => isOfSplit.test(name)),
    folder,
    "auto",
  );
  const formats = [...new Set(files.map(({ format }) => format))];
  if (formats.length < 2) return files;
  throw new WorkbenchError(
    "invalid-input",
    `${folder} has the split ${split} in ${formats.length} formats (${formats.join(", ")}). Keep the files of one of them.`,
  );
}

/** All rows of a file in any format; a malformed row is an error. */
export function readRows(
  file: DataFile,
  places: Pick<DocumentPlaces, "cacheFolder" | "signal">,
): AsyncGenerator<Row> {
  const context: ReadContext = { signal: places.signal, report: () => undefined };
  const text = () => readDecodedText(file, undefined, context);
  const onBadRow = (error: WorkbenchError): never => {
    throw error;
  };
  const selectAll = (columns: readonly string[]) => columns;
  switch (file.format) {
    case "parquet":
      return readParquetRows(file, selectAll, path.join(places.cacheFolder, "temporary"), context);
    case "arrow":
      return readArrowRows(file, selectAll, context);
    case "json":
      return readJsonObjects(text(), file.path, onBadRow);
    case "csv":
    case "tsv":
      return readDelimitedRows(
        text(),
        file.path,
        { delimiter: file.format === "csv" ? "," : "\t", header: true, quoting: "standard" },
        onBadRow,
        selectAll,
      );
    default:
      return readJsonLines(text(), file.path, onBadRow);
  }
}
