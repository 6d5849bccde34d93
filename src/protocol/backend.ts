/** All requests and events between a window and its backend service. */
import type { Remote } from "./connection";
import type { AgainRequests } from "./service/again";
import type { AnswerEvents, AnswerRequests } from "./service/answers";
import type { ExperimentRequests } from "./service/experiments";
import type { HistogramRequests } from "./service/histograms";
import type { MetricEvents, MetricRequests } from "./service/metrics";
import type { DeviceRequests, ModelRequests } from "./service/models";
import type { ReportRequests } from "./service/reports";
import type { RunEvents, RunRequests } from "./service/runs";
import type { TextRequests } from "./service/texts";
import type { ViewEvents, ViewRequests } from "./service/views";

export interface ServiceRequests {
  /**
   * The first request, and again whenever folders or trust change. Runs are found in `.lathe/runs` of the folders and
   * wherever runs of the experiments go. Without trust nothing is started, resumed, exported or moved.
   */
  "workspace.open": {
    params: {
      readonly folders: readonly string[];
      readonly experiments: readonly string[];
      readonly trusted: boolean;
      /** More experiments are looked for: another of these requests follows. */
      readonly searching?: boolean;
    };
    result: { readonly version: string; readonly pid: number };
  };
}

/** What the service asks of the window. */
export interface HostRequests {
  /**
   * The Python interpreters that the window names for a file of the workspace: that of the setting, and that of the Python
   * extension, which may be started for it. Asked only when a device of PyTorch may be needed.
   */
  "python.interpreter": {
    params: { readonly file?: string };
    result: { readonly setting?: string; readonly selected?: string };
  };
}

export interface Requests
  extends
    ServiceRequests,
    RunRequests,
    AgainRequests,
    MetricRequests,
    ExperimentRequests,
    ReportRequests,
    ModelRequests,
    AnswerRequests,
    DeviceRequests,
    HistogramRequests,
    TextRequests,
    ViewRequests {}

export interface Events extends RunEvents, MetricEvents, ViewEvents, AnswerEvents {
  /** A line for the extension's log. */
  logged: { readonly level: "info" | "warning" | "error"; readonly message: string };
}

export type Backend = Remote<Requests, Events>;
