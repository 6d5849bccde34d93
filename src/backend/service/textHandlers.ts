/** Finds the text of a folder for a new experiment. Only names and sizes are read. */
import path from "node:path";
import type { Handlers } from "../../protocol/connection";
import type { TextRequests, TextSurvey } from "../../protocol/service/texts";
import { type DataFile, findFiles } from "../data/files";
import type { Service } from "./service";

/** Prose is preferred to code: a repository always has more code. */
const prose = ["txt", "md", "rst", "tex"];
const code = ["py", "ts", "js", "c", "cpp", "java", "rs", "go"];
const shownNames = 3;

export function createTextHandlers(service: Service): Handlers<TextRequests> {
  return {
    "texts.survey": ({ folder }) => {
      service.requireTrust("Finding text in a folder");
      return surveyTexts(folder);
    },
  };
}

export async function surveyTexts(folder: string): Promise<TextSurvey> {
  const files = await findFiles([`**/*.{${[...prose, ...code].join(",")}}`], folder, "auto");
  const pick = (kinds: readonly string[]) =>
    kinds
      .map((kind) => ({ kind, files: files.filter((file) => path.extname(file.path) === `.${kind}`) }))
      .filter((group) => group.files.length > 0)
      .sort((a, b) => sumBytes(b.files) - sumBytes(a.files))[0];
  const largest = pick(prose) ?? pick(code) ?? { kind: "txt", files: [] };
  return {
    pattern: `**/*.${largest.kind}`,
    files: largest.files.length,
    names: largest.files
      .slice(0, shownNames)
      .map((file) => path.relative(folder, file.path).replaceAll(path.sep, "/")),
    bytes: sumBytes(largest.files),
  };
}

function sumBytes(files: readonly DataFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}
