// Grafana's types of a dashboard, its panels and a Tempo query, for data as JSON has it: an enum is one of its words.
import type { Dashboard, FieldConfigSource, Panel } from "@grafana/schema";
import type * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type { TempoQuery, TempoQueryType } from "@grafana/schema/dist/esm/raw/composable/tempo/dataquery/x/TempoDataQuery_types.gen";
import type * as series from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
import type { TableFieldOptions } from "@grafana/schema";

type Data<T> = T extends string ? `${T}`
  : T extends (infer Item)[] ? Data<Item>[]
  : T extends object ? { [Key in keyof T]: Data<T[Key]> }
  : T;
type Target = Data<TempoQuery> & { queryType: TempoQueryType; query: string };
type Shown<Type, Options, Custom> = Omit<Data<Panel>, "type" | "options" | "fieldConfig" | "targets"> & {
  type: Type;
  options: Data<Options>;
  fieldConfig: Omit<Data<FieldConfigSource>, "defaults"> & {
    defaults: Omit<Data<FieldConfigSource>["defaults"], "custom"> & { custom?: Data<Partial<Custom>> };
  };
  targets: Target[];
};
export type Board = Omit<Data<Dashboard>, "panels"> & {
  panels: (Shown<"table", table.Options, TableFieldOptions> | Shown<"timeseries", series.Options, series.FieldConfig>)[];
};
