/** The part of asciichart that is used here; the package brings no types. */
declare module "asciichart" {
  interface PlotOptions {
    height?: number;
    offset?: number;
    min?: number;
    max?: number;
    colors?: readonly (string | undefined)[];
    format?: (value: number) => string;
  }
  export function plot(series: readonly (readonly number[])[], options?: PlotOptions): string;
}
