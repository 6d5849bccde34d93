/** Completion, hover and quick fixes in the cells of an experiment and in its text view. The service knows the answers. */
import * as vscode from "vscode";
import type { Completion, TextRange } from "../../protocol/service/experiments";
import type { Workbench } from "../workbench";
import { requestQuietly, toAbortSignal } from "./requestQuietly";
import type { ExperimentChecker, LocatedLens } from "./experimentChecker";
import {
  experimentSelector,
  type ExperimentSource,
  getOffset,
  toRange,
  getExperimentSource,
} from "./experimentSource";
import { t } from "../l10n";

/** What may start a key or a value. */
const triggerCharacters = [":", " ", "-", "[", "{", ",", '"', "'", "/", "."];

export function registerLanguageFeatures(
  workbench: Workbench,
  checker: ExperimentChecker,
): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.languages.registerCompletionItemProvider(
      experimentSelector,
      {
        provideCompletionItems: (document, position, token) =>
          provideCompletions(workbench, document, position, token),
      },
      ...triggerCharacters,
    ),
    vscode.languages.registerHoverProvider(experimentSelector, {
      provideHover: (document, position, token) => provideHover(workbench, document, position, token),
    }),
    vscode.languages.registerCodeActionsProvider(
      experimentSelector,
      { provideCodeActions: (document, range) => createFixes(checker, document, range) },
      { providedCodeActionKinds: [vscode.CodeActionKind.QuickFix] },
    ),
    vscode.languages.registerCodeLensProvider(experimentSelector, {
      onDidChangeCodeLenses: checker.onDidChangeLenses,
      provideCodeLenses: (document) =>
        checker.getLenses(document).map((lens) => createCodeLens(document, lens)),
    }),
  );
}

async function provideCompletions(
  { backend, log }: Workbench,
  document: vscode.TextDocument,
  position: vscode.Position,
  token: vscode.CancellationToken,
): Promise<vscode.CompletionItem[]> {
  const source = getExperimentSource(document);
  const offset = source === undefined ? undefined : getOffset(source, document, position);
  if (source === undefined || offset === undefined) return [];
  const request = { ...source.experiment, offset };
  const signal = toAbortSignal(token);
  const response = await requestQuietly(log, signal, backend.request("experiment.complete", request, signal));
  return (response?.completions ?? []).map((completion) =>
    createCompletionItem(source, document, completion),
  );
}

function createCompletionItem(
  source: ExperimentSource,
  document: vscode.TextDocument,
  { label, kind, insert, detail, documentation, range }: Completion,
): vscode.CompletionItem {
  const { CompletionItemKind } = vscode;
  const completion = new vscode.CompletionItem(
    label,
    kind === "key" ? CompletionItemKind.Property : CompletionItemKind.Value,
  );
  completion.insertText = new vscode.SnippetString(insert);
  completion.detail = detail;
  completion.documentation = new vscode.MarkdownString(documentation);
  const replacedRange = getRange(source, document, range);
  if (replacedRange !== undefined) completion.range = replacedRange;
  // A key that is written without a value asks at once for one.
  if (kind === "key" && /:\s*(?:\$0)?$/.test(insert))
    completion.command = { command: "editor.action.triggerSuggest", title: t("Suggest") };
  return completion;
}

async function provideHover(
  { backend, log }: Workbench,
  document: vscode.TextDocument,
  position: vscode.Position,
  token: vscode.CancellationToken,
): Promise<vscode.Hover | undefined> {
  const source = getExperimentSource(document);
  const offset = source === undefined ? undefined : getOffset(source, document, position);
  if (source === undefined || offset === undefined) return undefined;
  const request = { ...source.experiment, offset };
  const signal = toAbortSignal(token);
  const response = await requestQuietly(log, signal, backend.request("experiment.hover", request, signal));
  if (response?.hover === undefined) return undefined;
  return new vscode.Hover(
    new vscode.MarkdownString(response.hover.markdown),
    getRange(source, document, response.hover.range),
  );
}

function createFixes(
  checker: ExperimentChecker,
  document: vscode.TextDocument,
  range: vscode.Range,
): vscode.CodeAction[] {
  return checker
    .getFaults(document)
    .filter(({ diagnostic }) => diagnostic.range.intersection(range) !== undefined)
    .flatMap(({ diagnostic, replacement }) => {
      if (replacement === undefined) return [];
      const action = new vscode.CodeAction(t('Change to "{0}"', replacement), vscode.CodeActionKind.QuickFix);
      action.edit = new vscode.WorkspaceEdit();
      action.edit.replace(document.uri, diagnostic.range, replacement);
      action.diagnostics = [diagnostic];
      action.isPreferred = true;
      return [action];
    });
}

function createCodeLens(
  document: vscode.TextDocument,
  { at, title, tooltip, variant, variants }: LocatedLens,
): vscode.CodeLens {
  const source = getExperimentSource(document);
  // Lines may have gone since the service was asked.
  const range = document.lineAt(Math.min(at, document.lineCount - 1)).range;
  if (source === undefined) return new vscode.CodeLens(range, { command: "", title });
  const { file, text } = source.experiment;
  const shown = variants === undefined ? (variant === undefined ? {} : { variant }) : { variants };
  const subject = { kind: "plan", experiment: file, text, ...shown };
  return new vscode.CodeLens(range, {
    command: "lathe.openParameters",
    title,
    tooltip,
    arguments: [subject],
  });
}

/** In the document that was asked about; undefined where the service speaks of another cell. */
function getRange(
  source: ExperimentSource,
  document: vscode.TextDocument,
  range: TextRange,
): vscode.Range | undefined {
  const documentRange = source.whole.toDocumentRange(range);
  return documentRange === undefined || source.documents[documentRange.cell] !== document
    ? undefined
    : toRange(documentRange);
}
