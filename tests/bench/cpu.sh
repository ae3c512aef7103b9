# CPU time of rushd and its services, for benchmarks on a machine that others use too: what an operation costs there does not
# depend on who else wants the cores, its rate does. Sourced after tests/support/services.sh.

CPU_TICK_US=$((1000000 / $(getconf CLK_TCK)))

# cpu_us PID...: microseconds that the processes have used; of one that ended, nothing.
cpu_us() {
    for cpu_pid in "$@"; do
        sed 's/^.*) //' "/proc/$cpu_pid/stat" 2>/dev/null
    done | awk -v us="$CPU_TICK_US" '{ t += $12 + $13 } END { printf "%.0f\n", t * us }'
}

# cpu_tree_us PID: of a process, its children now and those that ended: a PostgreSQL server with its backends and workers. A
# child that is waited for between the two readings would be in neither: the larger of two sums has it.
cpu_tree_us() {
    for cpu_try in 1 2; do
        {
            sed 's/^.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 + $14 + $15 }'
            cat /proc/[0-9]*/stat 2>/dev/null | sed 's/^.*) //' | awk -v parent="$1" '$2 == parent { print $12 + $13 }'
        } | awk '{ t += $1 } END { print t }'
    done | awk -v us="$CPU_TICK_US" '$1 > t { t = $1 } END { printf "%.0f\n", t * us }'
}

# cpu_thread_us PID NAME: of its threads that have this name.
cpu_thread_us() {
    cat "/proc/$1"/task/[0-9]*/stat 2>/dev/null | sed -n "s/^[0-9]* ($2) //p" | awk -v us="$CPU_TICK_US" '{ t += $12 + $13 } END { printf "%.0f\n", t * us }'
}

# steal_start, steal_stop: sets used_steal, the per cent of the cores' time that the host gave to others in between.
steal_ticks() { awk '/^cpu / { for (i = 2; i <= 9; i++) t += $i; print $9, t }' /proc/stat; }
steal_start() { steal_before=$(steal_ticks); }
steal_stop() {
    used_steal=$(echo "$steal_before $(steal_ticks)" | awk '{ printf "%.1f", ($4 > $2 ? 100 * ($3 - $1) / ($4 - $2) : 0) }')
}

# The process of service $1 ("pg", "redis", "kafka").
cpu_service_pid() { sed 's/ .*//' "$SERVICES_DIR/pids/$1"; }

now_us() { date +%s%6N; }

# meter_start [RUSHD-PID...]: begin to measure these processes and the services.
meter_start() {
    meter_pids=$*
    # shellcheck disable=SC2086
    meter_rushd=$(cpu_us $meter_pids) meter_pg=$(cpu_tree_us "$(cpu_service_pid pg)") meter_redis=$(cpu_us "$(cpu_service_pid redis)")
    meter_from=$(now_us)
}

# meter_stop: sets used_rushd, used_pg, used_redis (us of CPU) and used_wall (us) since meter_start.
meter_stop() {
    used_wall=$(($(now_us) - meter_from))
    # shellcheck disable=SC2086
    used_rushd=$(($(cpu_us $meter_pids) - meter_rushd))
    used_pg=$(($(cpu_tree_us "$(cpu_service_pid pg)") - meter_pg))
    used_redis=$(($(cpu_us "$(cpu_service_pid redis)") - meter_redis))
}
