/** The look of the panel Report around the report itself. */
import { css } from "lit";

export const reportStyles = css`
  .scroll {
    flex: 1;
    overflow: auto;
    outline-offset: -2px;
  }
  .experiment {
    max-width: 40vw;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
`;
