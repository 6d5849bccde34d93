/** Which columns the table of runs shows. Metrics may be many, so the list can be searched. */
import { html, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import { repeat } from "lit/directives/repeat.js";
import { icons } from "../kit/icons";
import { placeBelow } from "../kit/menu";
import { isChecked, getValue } from "../kit/toolkit";
import type { RunColumn } from "./runColumns";
import type { RunTable } from "./runTable";

export interface ColumnMenuPage {
  readonly table: RunTable;
  changed(): void;
  redraw(): void;
  /** Reads the settings in which runs differ, so that they become columns. */
  readSettings(): void;
}

export class ColumnMenu {
  private open = false;
  private search = "";

  constructor(private readonly page: ColumnMenuPage) {}

  draw(columns: readonly RunColumn[]): TemplateResult {
    return html`<button class="quiet" id="columns-button" popovertarget="columns-menu">
        ${icons.columns} Columns
      </button>
      <div
        popover
        id="columns-menu"
        class="menu"
        role="dialog"
        aria-label="Columns"
        @toggle=${(event: ToggleEvent) => this.onToggle(event)}
      >
        ${this.open ? this.renderChoices(columns) : nothing}
      </div>`;
  }

  private renderChoices(columns: readonly RunColumn[]): TemplateResult {
    const query = this.search.toLowerCase();
    const matches = columns.filter(({ id, title }) => id !== "name" && title.toLowerCase().includes(query));
    const sections = [...new Set(matches.map(({ section }) => section))];
    return html`<vscode-textfield
        placeholder="Find a column"
        .label=${"Find a column"}
        autofocus
        .value=${live(this.search)}
        @input=${(event: Event) => {
          this.search = getValue(event);
          this.page.redraw();
        }}
      ></vscode-textfield>
      <div class="choices" tabindex="-1">
        ${sections.map(
          (section) =>
            html`<h3>${section}</h3>
              ${repeat(
                matches.filter((column) => column.section === section),
                ({ id }) => id,
                (column) => this.renderChoice(column),
              )}`,
        )}
        ${matches.length === 0 ? html`<span class="muted">No column has this name.</span>` : nothing}
      </div>
      <div class="foot">
        <vscode-button appearance="secondary" @click=${() => this.resetColumns()}
          >Usual columns</vscode-button
        >
        <vscode-button
          appearance="secondary"
          title="Adds a column for every setting in which the runs differ"
          @click=${() => this.page.readSettings()}
          >Add settings</vscode-button
        >
      </div>`;
  }

  private renderChoice(column: RunColumn): TemplateResult {
    const isShown = this.page.table.isShown(column);
    return html`<vscode-checkbox
      .checked=${live(isShown)}
      @change=${(event: Event) => {
        if (isChecked(event) === this.page.table.isShown(column)) return;
        this.page.table.show(column.id, isChecked(event));
        this.page.changed();
      }}
      >${column.title}</vscode-checkbox
    >`;
  }

  private resetColumns(): void {
    this.page.table.resetColumns();
    this.page.changed();
  }

  private onToggle(event: ToggleEvent): void {
    this.open = event.newState === "open";
    placeBelow(event.currentTarget as HTMLElement, document.getElementById("columns-button")!);
    this.page.redraw();
  }
}
