/** Messages between a webview page and the extension host, in addition to the page's requests of the backend. */
import type { ViewPanel } from "../schema/savedViews";
import type { Events, Requests } from "./backend";
import type { Empty, Remote } from "./connection";
import type { Subject } from "./service/models";

/** The input with which a panel is opened and restored after a reload of the window. */
export interface PanelInputs {
  /** With runs to compare, or without. */
  runs: { readonly compare?: readonly string[] };
  charts: { readonly runs: readonly string[] };
  /** Of the experiment that ran last where none is named. */
  shrink: { readonly experiment?: string };
  parameters: { readonly subjects: readonly Subject[] };
  weights: { readonly subjects: readonly Subject[] };
  report: { readonly experiment?: string };
  /** `device` as the setting names it. */
  tryModel: { readonly subjects: readonly Subject[]; readonly device?: string };
}
export type PanelId = keyof PanelInputs;

/** What all pages of the workspace share. */
export interface SharedLook {
  /** Folder of the run that others are compared with. */
  readonly baseline?: string;
  /** From 0 to 1, of charts whose smoothing nobody has set. */
  readonly smoothing?: number;
  /** The name of the palette of runs, and a person's own colors, which replace it. */
  readonly palette?: string;
  readonly colors?: readonly string[];
  /** The names of the saved views that were shown last. */
  readonly views?: Readonly<Partial<Record<ViewPanel, string>>>;
}

/** What every page may ask of the host. */
export interface HostRequests {
  /** The page is ready: it receives its input, its saved state, and what all pages share. */
  "page.ready": {
    params: Empty;
    result: { readonly input: unknown; readonly state: unknown; readonly look: SharedLook };
  };
  /** Asks for a place and writes there; `saved` is false when the person thinks better of it. */
  "page.save": {
    params: {
      readonly name: string;
      readonly content: { readonly text: string } | { readonly base64: string };
    };
    result: { readonly saved: boolean };
  };
  /** Asks for a folder; without a path when the person thinks better of it. */
  "page.pickFolder": { params: { readonly title: string }; result: { readonly path?: string } };
  "page.copy": { params: { readonly text: string }; result: Empty };
  "page.openFile": {
    params: { readonly path: string; readonly line?: number };
    result: Empty;
  };
  /** A page of the opened folders, in the browser of the system. */
  "page.openInBrowser": { params: { readonly path: string }; result: Empty };
  "page.openPanel": {
    params: { [P in PanelId]: { readonly panel: P; readonly input: PanelInputs[P] } }[PanelId];
    result: Empty;
  };
  /** One of the commands that `pageCommands` names. */
  "page.command": {
    params: { readonly command: PageCommand; readonly runs: readonly string[] };
    result: Empty;
  };
  /** The color and mark of each run, as a small number: the same on every page, kept by the workspace. */
  "page.slots": {
    params: { readonly runs: readonly string[] };
    result: { readonly slots: Readonly<Record<string, number>> };
  };
  "page.look": { params: Empty; result: SharedLook };
  /** The run that others are compared with, on every page; without one, nothing is compared. */
  "page.setBaseline": { params: { readonly run?: string }; result: Empty };
  /** The saved view that the panel shows now, so that it shows it again when it is opened. */
  "page.keepView": { params: { readonly panel: ViewPanel; readonly view?: string }; result: Empty };
  /** A line for the extension's log: what went wrong in the page. */
  "page.log": {
    params: { readonly level: "info" | "warning" | "error"; readonly message: string };
    result: Empty;
  };
}

/** Commands of the extension that a page may start; each takes run folders. */
export const pageCommands = [
  "lathe.stopRun",
  "lathe.resumeRun",
  "lathe.runAgain",
  "lathe.pauseRun",
  "lathe.continueRun",
  "lathe.deleteRuns",
  "lathe.exportModel",
  "lathe.compareRuns",
  "lathe.showRunLog",
] as const;
export type PageCommand = (typeof pageCommands)[number];

/** Events of the host; the backend's own arrive beside them. */
export interface HostEvents {
  /** The panel was opened again with something else to show. */
  inputChanged: { readonly input: unknown };
  lookChanged: SharedLook;
  /** The service was restarted: earlier requests must be repeated. */
  backendRestarted: Empty;
}

export type PageRequests = HostRequests & Requests;
export type PageEvents = HostEvents & Events;

/** The host as a page reaches it. */
export type Host = Remote<PageRequests, PageEvents>;
