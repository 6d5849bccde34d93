/** Opens and saves experiments as notebooks: `cellText.ts` in the words of VS Code. A file that can't be shown is an error. */
import * as vscode from "vscode";
import {
  type CellFrame,
  type CellText,
  decodeNotebook,
  encodeNotebook,
  type NotebookFrame,
} from "./cellText";

export const notebookType = "lathe-notebook";

/** `report` shows what is wrong with a file: VS Code itself only shows that something is. */
export function createSerializer(report: (error: unknown) => void): vscode.NotebookSerializer {
  return {
    deserializeNotebook(content) {
      try {
        const { cells, frame } = decodeNotebook(content);
        const data = new vscode.NotebookData(cells.map(createCellData));
        data.metadata = { lathe: frame };
        return data;
      } catch (thrown) {
        report(thrown);
        throw thrown;
      }
    },
    serializeNotebook({ cells, metadata }) {
      return encodeNotebook({
        cells: cells.map((cell) => createCellText(cell, cell.value)),
        frame: getNotebookFrame(metadata),
      });
    },
  };
}

function createCellData({ kind, value, frame }: CellText): vscode.NotebookCellData {
  const data =
    kind === "code"
      ? new vscode.NotebookCellData(vscode.NotebookCellKind.Code, value, "yaml")
      : new vscode.NotebookCellData(vscode.NotebookCellKind.Markup, value, "markdown");
  if (frame !== undefined && Object.keys(frame).length > 0) data.metadata = { lathe: frame };
  return data;
}

interface NotebookCellLike {
  readonly kind: vscode.NotebookCellKind;
  readonly languageId: string;
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
}

/** Of a cell that is saved, and of one that is open. */
export function createCellText({ kind, languageId, metadata }: NotebookCellLike, value: string): CellText {
  const frame = { frame: (metadata?.["lathe"] ?? {}) as CellFrame };
  return kind === vscode.NotebookCellKind.Code
    ? { kind: "code", value, language: languageId, ...frame }
    : { kind: "prose", value, ...frame };
}

export function getNotebookFrame(metadata: Readonly<Record<string, unknown>> | undefined): NotebookFrame {
  return metadata?.["lathe"] ?? {};
}
