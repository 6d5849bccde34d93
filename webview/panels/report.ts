/** The page of the panel Report. */
import { startPanel } from "../kit/stage";
import { ReportPage, type ReportState } from "../report/reportPage";
import { reportStyles } from "../report/reportStyles";

void startPanel<"report", ReportState>(
  "report",
  [reportStyles],
  (page, stage) => new ReportPage(page, stage),
);
