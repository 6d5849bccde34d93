/** Shows the service's checks of open experiments: diagnostics while typing, and sizes as code lenses. */
import { setTimeout as after } from "node:timers/promises";
import * as vscode from "vscode";
import type { Diagnostic, Lens } from "../../protocol/service/experiments";
import { escapeControls } from "../plainText";
import type { Workbench } from "../workbench";
import { requestQuietly } from "./requestQuietly";
import { type ExperimentSource, toRange } from "./experimentSource";
import type { ExperimentListener } from "./openExperiments";

export interface Fault {
  readonly diagnostic: vscode.Diagnostic;
  readonly replacement?: string;
}

export interface LocatedLens extends Lens {
  /** 0-based, in the document. */
  readonly at: number;
}

interface CheckResult {
  readonly faults: Map<vscode.TextDocument, Fault[]>;
  readonly lenses: Map<vscode.TextDocument, LocatedLens[]>;
  readonly shown: readonly vscode.Uri[];
}

/** Lenses build models, so they wait a little longer. */
const lensDelay = 300;

export class ExperimentChecker implements ExperimentListener, vscode.Disposable {
  private readonly collection = vscode.languages.createDiagnosticCollection("lathe");
  private readonly lensesChanged = new vscode.EventEmitter<void>();
  private readonly results = new Map<ExperimentSource["opened"], CheckResult>();
  readonly onDidChangeLenses = this.lensesChanged.event;

  constructor(private readonly workbench: Workbench) {}

  changed(source: ExperimentSource, signal: AbortSignal): void {
    this.check(source, signal).catch(this.workbench.report);
  }

  closed(opened: ExperimentSource["opened"]): void {
    for (const each of this.results.get(opened)?.shown ?? []) this.collection.delete(each);
    this.results.delete(opened);
  }

  getFaults(document: vscode.TextDocument): readonly Fault[] {
    for (const { faults } of this.results.values()) {
      const entries = faults.get(document);
      if (entries !== undefined) return entries;
    }
    return [];
  }

  getLenses(document: vscode.TextDocument): readonly LocatedLens[] {
    for (const { lenses } of this.results.values()) {
      const entries = lenses.get(document);
      if (entries !== undefined) return entries;
    }
    return [];
  }

  dispose(): void {
    this.collection.dispose();
    this.lensesChanged.dispose();
  }

  private async check(source: ExperimentSource, signal: AbortSignal): Promise<void> {
    const { backend, log } = this.workbench;
    const checkResult = await requestQuietly(
      log,
      signal,
      backend.request("experiment.check", source.experiment, signal),
    );
    if (checkResult === undefined) return;
    this.underline(source, checkResult.diagnostics);
    const lensResult = await requestQuietly(
      log,
      signal,
      after(lensDelay, undefined, { signal, ref: false }).then(() =>
        backend.request("experiment.lenses", source.experiment, signal),
      ),
    );
    if (lensResult === undefined) return;
    const lenses = groupByDocument(source, lensResult.lenses, (lens) => {
      const range = source.whole.toDocumentRange({
        line: lens.line,
        column: 1,
        endLine: lens.line,
        endColumn: 1,
      });
      return range && { cell: range.cell, value: { ...lens, at: range.start.line } };
    });
    this.results.set(source.opened, { ...this.getResult(source), lenses });
    this.lensesChanged.fire();
  }

  private underline(source: ExperimentSource, diagnostics: readonly Diagnostic[]): void {
    const faults = groupByDocument(source, diagnostics, (each) => {
      const range = source.whole.toDocumentRange(each.range);
      return range && { cell: range.cell, value: createFault(toRange(range), each) };
    });
    const previous = this.getResult(source);
    for (const uri of previous.shown) this.collection.delete(uri);
    const uris = [...faults.keys()].map(({ uri }) => uri);
    for (const [document, entries] of faults)
      this.collection.set(
        document.uri,
        entries.map(({ diagnostic }) => diagnostic),
      );
    this.results.set(source.opened, { ...previous, faults, shown: uris });
  }

  private getResult({ opened }: ExperimentSource): CheckResult {
    return this.results.get(opened) ?? { faults: new Map(), lenses: new Map(), shown: [] };
  }
}

function createFault(range: vscode.Range, { severity, message, replacement }: Diagnostic): Fault {
  const { Error, Warning } = vscode.DiagnosticSeverity;
  const diagnostic = new vscode.Diagnostic(
    range,
    escapeControls(message),
    severity === "error" ? Error : Warning,
  );
  diagnostic.source = "Lathe";
  return { diagnostic, ...(replacement === undefined ? {} : { replacement }) };
}

/** By the document that each shows in. */
function groupByDocument<From, To>(
  { documents }: ExperimentSource,
  items: readonly From[],
  locate: (each: From) => { readonly cell: number; readonly value: To } | undefined,
): Map<vscode.TextDocument, To[]> {
  const groups = new Map<vscode.TextDocument, To[]>();
  for (const each of items) {
    const location = locate(each);
    const document = location === undefined ? undefined : documents[location.cell];
    if (location === undefined || document === undefined) continue;
    groups.set(document, [...(groups.get(document) ?? []), location.value]);
  }
  return groups;
}
