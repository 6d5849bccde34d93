/** Shows the service's checks of open experiments: diagnostics while typing, and sizes as code lenses. */
import { setTimeout as after } from "node:timers/promises";
import * as vscode from "vscode";
import type { Diagnostic, Lens } from "../../protocol/service/experiments";
import { plainText } from "../plainText";
import type { Workbench } from "../workbench";
import { quietly } from "./asking";
import { type ExperimentSource, rangeOf } from "./experimentSource";
import type { Follower } from "./openExperiments";

export interface Fault {
  readonly diagnostic: vscode.Diagnostic;
  readonly replacement?: string;
}

export interface ShownLens extends Lens {
  /** 0-based, in the document. */
  readonly at: number;
}

interface Found {
  readonly faults: Map<vscode.TextDocument, Fault[]>;
  readonly lenses: Map<vscode.TextDocument, ShownLens[]>;
  readonly shown: readonly vscode.Uri[];
}

/** Lenses build models, so they wait a little longer. */
const pauseBeforeLenses = 300;

export class Checking implements Follower, vscode.Disposable {
  private readonly collection = vscode.languages.createDiagnosticCollection("lathe");
  private readonly lensesChanged = new vscode.EventEmitter<void>();
  private readonly found = new Map<ExperimentSource["opened"], Found>();
  readonly onDidChangeLenses = this.lensesChanged.event;

  constructor(private readonly workbench: Workbench) {}

  changed(source: ExperimentSource, signal: AbortSignal): void {
    this.check(source, signal).catch(this.workbench.report);
  }

  closed(opened: ExperimentSource["opened"]): void {
    for (const each of this.found.get(opened)?.shown ?? []) this.collection.delete(each);
    this.found.delete(opened);
  }

  faultsOf(document: vscode.TextDocument): readonly Fault[] {
    for (const { faults } of this.found.values()) {
      const here = faults.get(document);
      if (here !== undefined) return here;
    }
    return [];
  }

  lensesOf(document: vscode.TextDocument): readonly ShownLens[] {
    for (const { lenses } of this.found.values()) {
      const here = lenses.get(document);
      if (here !== undefined) return here;
    }
    return [];
  }

  dispose(): void {
    this.collection.dispose();
    this.lensesChanged.dispose();
  }

  private async check(source: ExperimentSource, signal: AbortSignal): Promise<void> {
    const { backend, log } = this.workbench;
    const checked = await quietly(
      log,
      signal,
      backend.request("experiment.check", source.experiment, signal),
    );
    if (checked === undefined) return;
    this.underline(source, checked.diagnostics);
    const counted = await quietly(
      log,
      signal,
      after(pauseBeforeLenses, undefined, { signal, ref: false }).then(() =>
        backend.request("experiment.lenses", source.experiment, signal),
      ),
    );
    if (counted === undefined) return;
    const lenses = grouped(source, counted.lenses, (lens) => {
      const shown = source.whole.shownAt({ line: lens.line, column: 1, endLine: lens.line, endColumn: 1 });
      return shown && { cell: shown.cell, value: { ...lens, at: shown.start.line } };
    });
    this.found.set(source.opened, { ...this.foundIn(source), lenses });
    this.lensesChanged.fire();
  }

  private underline(source: ExperimentSource, diagnostics: readonly Diagnostic[]): void {
    const faults = grouped(source, diagnostics, (each) => {
      const shown = source.whole.shownAt(each.range);
      return shown && { cell: shown.cell, value: faultAt(rangeOf(shown), each) };
    });
    const before = this.foundIn(source);
    for (const uri of before.shown) this.collection.delete(uri);
    const shown = [...faults.keys()].map(({ uri }) => uri);
    for (const [document, here] of faults)
      this.collection.set(
        document.uri,
        here.map(({ diagnostic }) => diagnostic),
      );
    this.found.set(source.opened, { ...before, faults, shown });
  }

  private foundIn({ opened }: ExperimentSource): Found {
    return this.found.get(opened) ?? { faults: new Map(), lenses: new Map(), shown: [] };
  }
}

function faultAt(range: vscode.Range, { severity, message, replacement }: Diagnostic): Fault {
  const { Error, Warning } = vscode.DiagnosticSeverity;
  const diagnostic = new vscode.Diagnostic(range, plainText(message), severity === "error" ? Error : Warning);
  diagnostic.source = "Lathe";
  return { diagnostic, ...(replacement === undefined ? {} : { replacement }) };
}

/** By the document that each shows in. */
function grouped<From, To>(
  { documents }: ExperimentSource,
  all: readonly From[],
  place: (each: From) => { readonly cell: number; readonly value: To } | undefined,
): Map<vscode.TextDocument, To[]> {
  const groups = new Map<vscode.TextDocument, To[]>();
  for (const each of all) {
    const placed = place(each);
    const document = placed === undefined ? undefined : documents[placed.cell];
    if (placed === undefined || document === undefined) continue;
    groups.set(document, [...(groups.get(document) ?? []), placed.value]);
  }
  return groups;
}
