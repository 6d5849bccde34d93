/** Completion, hover and quick fixes in the cells of an experiment and in its text view. The service knows the answers. */
import * as vscode from "vscode";
import type { Completion, TextRange } from "../../protocol/service/experiments";
import type { Workbench } from "../workbench";
import { quietly, signalOf } from "./asking";
import type { Checking, ShownLens } from "./checking";
import { experimentSelector, type ExperimentSource, offsetIn, rangeOf, sourceOf } from "./experimentSource";

/** What may start a key or a value. */
const triggers = [":", " ", "-", "[", "{", ",", '"', "'", "/", "."];

export function registerLanguageFeatures(workbench: Workbench, checking: Checking): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.languages.registerCompletionItemProvider(
      experimentSelector,
      {
        provideCompletionItems: (document, position, token) => complete(workbench, document, position, token),
      },
      ...triggers,
    ),
    vscode.languages.registerHoverProvider(experimentSelector, {
      provideHover: (document, position, token) => hover(workbench, document, position, token),
    }),
    vscode.languages.registerCodeActionsProvider(
      experimentSelector,
      { provideCodeActions: (document, range) => fixes(checking, document, range) },
      { providedCodeActionKinds: [vscode.CodeActionKind.QuickFix] },
    ),
    vscode.languages.registerCodeLensProvider(experimentSelector, {
      onDidChangeCodeLenses: checking.onDidChangeLenses,
      provideCodeLenses: (document) => checking.lensesOf(document).map((lens) => codeLens(document, lens)),
    }),
  );
}

async function complete(
  { backend, log }: Workbench,
  document: vscode.TextDocument,
  position: vscode.Position,
  token: vscode.CancellationToken,
): Promise<vscode.CompletionItem[]> {
  const source = sourceOf(document);
  const offset = source === undefined ? undefined : offsetIn(source, document, position);
  if (source === undefined || offset === undefined) return [];
  const asked = { ...source.experiment, offset };
  const signal = signalOf(token);
  const answer = await quietly(log, signal, backend.request("experiment.complete", asked, signal));
  return (answer?.completions ?? []).map((completion) => item(source, document, completion));
}

function item(
  source: ExperimentSource,
  document: vscode.TextDocument,
  { label, kind, insert, detail, documentation, range }: Completion,
): vscode.CompletionItem {
  const { CompletionItemKind } = vscode;
  const made = new vscode.CompletionItem(
    label,
    kind === "key" ? CompletionItemKind.Property : CompletionItemKind.Value,
  );
  made.insertText = new vscode.SnippetString(insert);
  made.detail = detail;
  made.documentation = new vscode.MarkdownString(documentation);
  const replaced = rangeIn(source, document, range);
  if (replaced !== undefined) made.range = replaced;
  // A key that is written without a value asks at once for one.
  if (kind === "key" && /:\s*(?:\$0)?$/.test(insert))
    made.command = { command: "editor.action.triggerSuggest", title: "Suggest" };
  return made;
}

async function hover(
  { backend, log }: Workbench,
  document: vscode.TextDocument,
  position: vscode.Position,
  token: vscode.CancellationToken,
): Promise<vscode.Hover | undefined> {
  const source = sourceOf(document);
  const offset = source === undefined ? undefined : offsetIn(source, document, position);
  if (source === undefined || offset === undefined) return undefined;
  const asked = { ...source.experiment, offset };
  const signal = signalOf(token);
  const answer = await quietly(log, signal, backend.request("experiment.hover", asked, signal));
  if (answer?.hover === undefined) return undefined;
  return new vscode.Hover(
    new vscode.MarkdownString(answer.hover.markdown),
    rangeIn(source, document, answer.hover.range),
  );
}

function fixes(checking: Checking, document: vscode.TextDocument, range: vscode.Range): vscode.CodeAction[] {
  return checking
    .faultsOf(document)
    .filter(({ diagnostic }) => diagnostic.range.intersection(range) !== undefined)
    .flatMap(({ diagnostic, replacement }) => {
      if (replacement === undefined) return [];
      const action = new vscode.CodeAction(`Change to "${replacement}"`, vscode.CodeActionKind.QuickFix);
      action.edit = new vscode.WorkspaceEdit();
      action.edit.replace(document.uri, diagnostic.range, replacement);
      action.diagnostics = [diagnostic];
      action.isPreferred = true;
      return [action];
    });
}

function codeLens(
  document: vscode.TextDocument,
  { at, title, tooltip, variant }: ShownLens,
): vscode.CodeLens {
  const source = sourceOf(document);
  // Lines may have gone since the service was asked.
  const range = document.lineAt(Math.min(at, document.lineCount - 1)).range;
  if (source === undefined) return new vscode.CodeLens(range, { command: "", title });
  const { file, text } = source.experiment;
  const subject = { kind: "plan", experiment: file, text, ...(variant === undefined ? {} : { variant }) };
  return new vscode.CodeLens(range, {
    command: "lathe.openParameters",
    title,
    tooltip,
    arguments: [subject],
  });
}

/** In the document that was asked about; undefined where the service speaks of another cell. */
function rangeIn(
  source: ExperimentSource,
  document: vscode.TextDocument,
  range: TextRange,
): vscode.Range | undefined {
  const shown = source.whole.shownAt(range);
  return shown === undefined || source.documents[shown.cell] !== document ? undefined : rangeOf(shown);
}
