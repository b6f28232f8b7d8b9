// A table people can sort, search, filter, page through and arrange; it remembers how, in this browser.
// Rows are plain objects; the server sends only those that changed. Words are only ever set as text.
// Of a long table the page brings the first rows only, `partial`; the rest follows once it is open.
import { markRaw, toRaw } from "vue";

const PAGE = 50;
const COLLATOR = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

// Rows are replaced, never changed: Vue need not watch every value of a thousand of them.
const still = (rows) => markRaw(toRaw(rows).slice());

function plain(value) {
  if (value === null || value === undefined) return "";
  return Array.isArray(value) ? value.join(" ") : String(value);
}

export default {
  template: `
  <div class="m-table" :class="{'m-table--busy': busy}">
    <div class="m-table-tools" v-if="tools">
      <div class="m-search" v-if="searchable">
        <i class="material-icons" aria-hidden="true">search</i>
        <input type="search" :aria-label="searchLabel" :placeholder="searchLabel" v-model="search" @input="first">
      </div>
      <label class="m-filter" v-for="column in filterable" :key="column.name">
        <span>{{ column.label }}</span>
        <select :value="filters[column.name] || ''" :disabled="lacking" @change="filter(column.name, $event.target.value)">
          <option value="">All</option>
          <option v-for="choice in choices[column.name]" :key="choice.word" :value="choice.word">{{ choice.word }}{{ lacking ? '' : ' (' + choice.count + ')' }}</option>
        </select>
      </label>
      <label class="m-filter m-sort">
        <span>Sort by</span>
        <select :value="sort.name" @change="orderBy($event.target.value, false)">
          <option value="" v-if="!sortBy">As listed</option>
          <option v-for="column in sortable" :key="column.name" :value="column.name">{{ column.label }}</option>
        </select>
      </label>
      <label class="m-filter m-sort" v-if="sort.name">
        <span>Order</span>
        <select :value="sort.down ? 'down' : 'up'" @change="orderBy(sort.name, $event.target.value === 'down')">
          <option value="up">Ascending</option><option value="down">Descending</option>
        </select>
      </label>
      <button type="button" class="m-plain" v-if="narrowed" @click="widen">Clear</button>
      <span class="m-grow"></span>
      <details class="m-columns" v-if="arrangeable" @keydown.esc="shut($event.currentTarget)">
        <summary><i class="material-icons" aria-hidden="true">view_column</i> Columns</summary>
        <ul>
          <li v-for="(column, place) in arranged" :key="column.name">
            <label><input type="checkbox" :checked="!hidden.includes(column.name)" :disabled="place === 0 && column.fixed" @change="show(column.name, $event.target.checked)"> {{ column.label }}</label>
            <button type="button" :disabled="place < 1" @click="shift(place, -1)" :aria-label="'Move ' + column.label + ' up'"><i class="material-icons" aria-hidden="true">arrow_upward</i></button>
            <button type="button" :disabled="place === arranged.length - 1" @click="shift(place, 1)" :aria-label="'Move ' + column.label + ' down'"><i class="material-icons" aria-hidden="true">arrow_downward</i></button>
          </li>
          <li><button type="button" class="m-plain" @click="reset">As at first</button></li>
        </ul>
      </details>
    </div>
    <div class="m-bulk" v-if="selectable && selected.size" role="group" aria-label="What to do with the chosen rows">
      <strong>{{ number(selected.size) }} chosen</strong>
      <button v-for="action in bulk.filter((a) => !a.more)" :key="action.name" type="button" class="m-plain" :class="{'m-plain--bad': action.bad}" @click="$emit('bulk', {name: action.name, keys: [...selected]})">
        <i class="material-icons" aria-hidden="true">{{ action.icon }}</i> {{ action.label }}
      </button>
      <details class="m-columns" v-if="bulk.some((a) => a.more)" @keydown.esc="shut($event.currentTarget)">
        <summary>More</summary>
        <ul>
          <li v-for="action in bulk.filter((a) => a.more)" :key="action.name">
            <button type="button" class="m-plain m-plain--menu" :class="{'m-plain--bad': action.bad}" @click="$event.currentTarget.closest('details').open = false; $emit('bulk', {name: action.name, keys: [...selected]})"><i class="material-icons" aria-hidden="true">{{ action.icon }}</i> {{ action.label }}</button>
          </li>
        </ul>
      </details>
      <button type="button" class="m-plain" @click="selected = new Set()">Choose none</button>
    </div>
    <div class="m-table-scroll" tabindex="0" role="region" :aria-label="caption">
      <table role="table">
        <caption class="m-unseen">{{ caption }}</caption>
        <thead role="rowgroup">
          <tr role="row">
            <th v-if="selectable" role="columnheader" scope="col" class="m-pick"><input type="checkbox" aria-label="Choose all rows shown" :checked="allPicked" @change="pickAll($event.target.checked)"></th>
            <th v-for="column in shown" :key="column.name" role="columnheader" scope="col" :class="'m-k-' + column.kind" :aria-sort="sort.name === column.name ? (sort.down ? 'descending' : 'ascending') : undefined">
              <button v-if="column.sortable" type="button" @click="order(column.name)">{{ column.label }}<i class="material-icons" aria-hidden="true">{{ sort.name === column.name ? (sort.down ? 'arrow_downward' : 'arrow_upward') : 'unfold_more' }}</i></button>
              <span v-else :class="{'m-unseen': column.kind === 'actions'}">{{ column.label }}</span>
            </th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          <tr v-for="row in visible" :key="row[rowKey]" role="row" :class="{'m-picked': selected.has(row[rowKey])}">
            <td v-if="selectable" role="cell" class="m-pick"><input type="checkbox" :aria-label="'Choose ' + row[rowKey]" :checked="selected.has(row[rowKey])" @change="pick(row[rowKey], $event.target.checked)"></td>
            <td v-for="column in shown" :key="column.name" role="cell" :class="'m-k-' + column.kind" :data-label="column.label">
              <span v-if="column.kind === 'link'" class="m-named"><a :href="href(column, row)" class="m-link" :title="text(row[column.name])"><bdi>{{ text(row[column.name]) }}</bdi></a><small v-if="row[column.name + '_note']" class="m-muted"><bdi>{{ row[column.name + '_note'] }}</bdi></small></span>
              <span v-else-if="column.kind === 'number'">{{ number(row[column.name]) }}</span>
              <time v-else-if="column.kind === 'instant'" :datetime="row[column.name] || undefined" :title="full(row[column.name])">{{ ago(row[column.name]) }}</time>
              <time v-else-if="column.kind === 'moment'" :datetime="row[column.name] || undefined" :title="full(row[column.name])">{{ moment(row[column.name]) }}</time>
              <span v-else-if="column.kind === 'duration'">{{ duration(row[column.name]) }}</span>
              <span v-else-if="column.kind === 'bytes'">{{ bytes(row[column.name]) }}</span>
              <span v-else-if="column.kind === 'status'" class="m-status">
                <span class="m-chip" :class="'m-chip--' + tone(row[column.name]).tone"><i class="material-icons" aria-hidden="true">{{ tone(row[column.name]).icon }}</i>{{ row[column.name] }}</span>
                <small v-if="row[column.name + '_note']" class="m-muted"><bdi>{{ row[column.name + '_note'] }}</bdi></small>
                <progress v-if="row[column.name + '_share'] != null" max="1" :value="row[column.name + '_share']" :aria-label="'Progress of ' + row[rowKey]"></progress>
              </span>
              <span v-else-if="column.kind === 'tags'" class="m-tags"><span v-for="tag in row[column.name] || []" :key="tag" class="m-tag"><bdi>{{ tag }}</bdi></span><span v-if="!(row[column.name] || []).length" class="m-muted">–</span></span>
              <span v-else-if="column.kind === 'yes'">{{ row[column.name] ? 'yes' : 'no' }}</span>
              <code v-else-if="column.kind === 'code'"><bdi>{{ text(row[column.name]) }}</bdi></code>
              <span v-else-if="column.kind === 'actions'" class="m-row-actions">
                <button v-for="action in row[column.name] || []" :key="action.name" type="button" class="m-icon" :title="action.label" :aria-label="action.label + ' ' + row[rowKey]" @click="$emit('action', {name: action.name, key: row[rowKey]})"><i class="material-icons" aria-hidden="true">{{ action.icon }}</i><span class="m-icon-word" aria-hidden="true">{{ action.label }}</span></button>
              </span>
              <bdi v-else>{{ text(row[column.name]) }}</bdi>
            </td>
          </tr>
          <tr v-if="!visible.length" role="row"><td role="cell" class="m-none" :colspan="shown.length + (selectable ? 1 : 0)">{{ lacking ? 'Loading…' : narrowed ? 'Nothing fits the search and the filters.' : emptyText }}</td></tr>
        </tbody>
      </table>
    </div>
    <div class="m-pager" v-if="found.length > pageSize || tools">
      <span role="status">{{ narrowed && !lacking ? number(found.length) + ' of ' + number(count) : number(count) }} {{ count === 1 ? noun[0] : noun[1] }}</span>
      <span class="m-grow"></span>
      <template v-if="found.length > pageSize">
        <button type="button" class="m-plain" :disabled="page === 0" @click="page--">Previous</button>
        <span>{{ number(page * pageSize + 1) }}–{{ number(Math.min((page + 1) * pageSize, found.length)) }}</span>
        <button type="button" class="m-plain" :disabled="(page + 1) * pageSize >= found.length" @click="page++">Next</button>
      </template>
    </div>
  </div>`,
  props: {
    columns: Array, rows: Array, rowKey: String, caption: String, noun: Array, memory: String,
    searchable: Boolean, searchLabel: String, selectable: Boolean, arrangeable: Boolean,
    bulk: { type: Array, default: () => [] }, sortBy: String, sortDown: Boolean,
    emptyText: String, pageSize: { type: Number, default: PAGE }, busy: Boolean,
    partial: Boolean, total: Number,
    start: { type: Object, default: () => ({}) },
  },
  emits: ["bulk", "action", "picked"],
  data() {
    const kept = this.recall();
    // what is remembered may be of a column that is not there any more
    const ordered = kept.sort && this.columns.some((c) => c.sortable && c.name === kept.sort.name);
    return {
      all: still(this.rows), lacking: this.partial, search: "", filters: { ...this.start }, page: 0, selected: new Set(),
      sort: ordered ? kept.sort : { name: this.sortBy || "", down: !!this.sortDown },
      ranking: kept.ranking || this.columns.map((c) => c.name),
      hidden: kept.hidden || this.columns.filter((c) => c.hidden).map((c) => c.name),
      now: 0,
    };
  },
  mounted() { this.clock = setInterval(() => this.now++, 10000); },
  unmounted() { clearInterval(this.clock); },
  watch: {
    rows(rows) { this.all = still(rows); this.lacking = this.partial; },
    pages() { if (this.page >= this.pages) this.page = Math.max(0, this.pages - 1); },
    selected(keys) { this.$emit("picked", [...keys]); },
  },
  computed: {
    tools() { return this.searchable || this.filterable.length || this.arrangeable; },
    sortable() { return this.arranged.filter((c) => c.sortable); },
    filterable() { return this.columns.filter((c) => c.filter); },
    arranged() {
      const place = (c) => { const at = this.ranking.indexOf(c.name); return at < 0 ? 999 : at; };
      return this.columns.filter((c) => c.kind !== "actions").sort((a, b) => place(a) - place(b));
    },
    shown() {
      return [...this.arranged.filter((c) => !this.hidden.includes(c.name)), ...this.columns.filter((c) => c.kind === "actions")];
    },
    count() { return this.lacking ? this.total : this.all.length; },
    choices() { return Object.fromEntries(this.filterable.map((c) => [c.name, this.choicesOf(c)])); },
    narrowed() { return !!(this.search.trim() || Object.values(this.filters).some(Boolean)); },
    found() {
      const wanted = this.search.trim().toLocaleLowerCase();
      const searched = this.columns.filter((c) => c.search);
      const chosen = Object.entries(this.filters).filter(([, word]) => word);
      let rows = this.all.filter((row) =>
        (!wanted || searched.some((c) => plain(row[c.name]).toLocaleLowerCase().includes(wanted))) &&
        chosen.every(([name, word]) => (Array.isArray(row[name]) ? row[name].map(String).includes(word) : String(row[name]) === word)));
      const name = this.sort.name;
      if (!name) return rows;
      const sign = this.sort.down ? -1 : 1;
      const missing = (value) => value === null || value === undefined || value === "";
      return rows.slice().sort((a, b) => {
        const [x, y] = [a[name], b[name]];
        if (missing(x) || missing(y)) return missing(x) - missing(y);
        if (typeof x === "number" && typeof y === "number") return sign * (x - y);
        return sign * COLLATOR.compare(plain(x), plain(y));
      });
    },
    pages() { return Math.ceil(this.found.length / this.pageSize); },
    visible() {
      // the first rows as the server sorts them are not the first ones of another order
      if (this.lacking && (this.sort.name !== this.sortBy || this.sort.down !== !!this.sortDown)) return [];
      return this.found.slice(this.page * this.pageSize, (this.page + 1) * this.pageSize);
    },
    allPicked() { return this.visible.length > 0 && this.visible.every((row) => this.selected.has(row[this.rowKey])); },
  },
  methods: {
    patch(rows, gone) {
      const fresh = new Map(rows.map((row) => [row[this.rowKey], row]));
      const left = new Set(gone);
      const kept = this.all.filter((row) => !left.has(row[this.rowKey])).map((row) => {
        const changed = fresh.get(row[this.rowKey]);
        if (changed) fresh.delete(row[this.rowKey]);
        return changed || row;
      });
      this.all = markRaw([...kept, ...fresh.values()]);
      if (gone.some((key) => this.selected.has(key))) this.selected = new Set([...this.selected].filter((key) => !left.has(key)));
    },
    clear_selection() { this.selected = new Set(); },
    text: (value) => (value === null || value === undefined || value === "" ? "–" : plain(value)),
    number: (value) => window.muster.number(value),
    ago(value) { return this.now >= 0 ? window.muster.ago(value) : ""; },
    moment: (value) => window.muster.short(value),
    full: (value) => window.muster.instantZone(value),
    duration: (value) => window.muster.duration(value),
    bytes: (value) => window.muster.bytes(value),
    tone: (value) => window.muster.tone(value),
    href(column, row) {
      return column.href.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(row[name] ?? ""));
    },
    choicesOf(column) {
      const counts = new Map();
      for (const row of this.all) for (const word of [row[column.name]].flat()) if (word !== null && word !== undefined && word !== "") counts.set(String(word), (counts.get(String(word)) || 0) + 1);
      const chosen = this.filters[column.name];
      if (chosen && !counts.has(chosen)) counts.set(chosen, 0);
      return [...counts].map(([word, count]) => ({ word, count })).sort((a, b) => COLLATOR.compare(a.word, b.word));
    },
    first() { this.page = 0; },
    shut(details) {
      details.open = false;
      details.querySelector("summary").focus();
    },
    filter(name, word) { this.filters = { ...this.filters, [name]: word }; this.page = 0; },
    widen() { this.search = ""; this.filters = {}; this.page = 0; },
    order(name) {
      const same = this.sort.name === name;
      this.orderBy(name, same ? !this.sort.down : false);
    },
    orderBy(name, down) {
      this.sort = { name, down };
      this.remember();
    },
    show(name, on) {
      this.hidden = on ? this.hidden.filter((n) => n !== name) : [...this.hidden, name];
      this.remember();
    },
    shift(place, by) {
      const names = this.arranged.map((c) => c.name);
      [names[place], names[place + by]] = [names[place + by], names[place]];
      this.ranking = names;
      this.remember();
    },
    reset() {
      this.ranking = this.columns.map((c) => c.name);
      this.hidden = this.columns.filter((c) => c.hidden).map((c) => c.name);
      this.sort = { name: this.sortBy || "", down: !!this.sortDown };
      this.remember();
    },
    pick(key, on) {
      const keys = new Set(this.selected);
      if (on) keys.add(key); else keys.delete(key);
      this.selected = keys;
    },
    pickAll(on) {
      const keys = new Set(this.selected);
      for (const row of this.visible) if (on) keys.add(row[this.rowKey]); else keys.delete(row[this.rowKey]);
      this.selected = keys;
    },
    recall() {
      if (!this.memory) return {};
      try { return JSON.parse(localStorage.getItem("muster." + this.memory) || "{}"); } catch { return {}; }
    },
    remember() {
      if (!this.memory) return;
      localStorage.setItem("muster." + this.memory, JSON.stringify({ sort: this.sort, ranking: this.ranking, hidden: this.hidden }));
    },
  },
};
