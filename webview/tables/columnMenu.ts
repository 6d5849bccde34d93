/** Which columns the table of runs shows. Metrics may be many, so the list can be searched. */
import { html, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import { repeat } from "lit/directives/repeat.js";
import { icons } from "../kit/icons";
import { named } from "../kit/named";
import { placeBelow } from "../kit/menu";
import { isChecked, valueOf } from "../kit/toolkit";
import type { RunColumn } from "./runColumns";
import type { RunTable } from "./runTable";

export interface ColumnMenuPage {
  readonly table: RunTable;
  arranged(): void;
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
        @toggle=${(event: ToggleEvent) => this.toggled(event)}
      >
        ${this.open ? this.choices(columns) : nothing}
      </div>`;
  }

  private choices(columns: readonly RunColumn[]): TemplateResult {
    const wanted = this.search.toLowerCase();
    const found = columns.filter(({ id, title }) => id !== "name" && title.toLowerCase().includes(wanted));
    const sections = [...new Set(found.map(({ section }) => section))];
    return html`<vscode-text-field
        placeholder="Find a column"
        ${named("Find a column")}
        autofocus
        .value=${this.search}
        @input=${(event: Event) => {
          this.search = valueOf(event);
          this.page.redraw();
        }}
      ></vscode-text-field>
      <div class="choices" tabindex="-1">
        ${sections.map(
          (section) =>
            html`<h3>${section}</h3>
              ${repeat(
                found.filter((column) => column.section === section),
                ({ id }) => id,
                (column) => this.choice(column),
              )}`,
        )}
        ${found.length === 0 ? html`<span class="muted">No column has this name.</span>` : nothing}
      </div>
      <div class="foot">
        <vscode-button appearance="secondary" @click=${() => this.usual()}>Usual columns</vscode-button>
        <vscode-button
          appearance="secondary"
          title="Adds a column for every setting in which the runs differ"
          @click=${() => this.page.readSettings()}
          >Add settings</vscode-button
        >
      </div>`;
  }

  private choice(column: RunColumn): TemplateResult {
    const shown = this.page.table.isShown(column);
    return html`<vscode-checkbox
      ${named(column.title)}
      .checked=${live(shown)}
      @change=${(event: Event) => {
        if (isChecked(event) === this.page.table.isShown(column)) return;
        this.page.table.show(column.id, isChecked(event));
        this.page.arranged();
      }}
      >${column.title}</vscode-checkbox
    >`;
  }

  private usual(): void {
    this.page.table.showUsual();
    this.page.arranged();
  }

  private toggled(event: ToggleEvent): void {
    this.open = event.newState === "open";
    placeBelow(event.currentTarget as HTMLElement, document.getElementById("columns-button")!);
    this.page.redraw();
  }
}
