# SQL of the yardstick of requests' rows for psql: see yard_rows in yardsticks.sh. what: accepted, decided; q: an apostrophe.
# Users come in a fixed order that has nothing to do with their numbers: multiplying by a number prime to the modulus.
function array(text) { return q "{" text "}" q }
BEGIN {
    rows = "coupon_id, user_id, timestamptz " q "epoch" q " + at * interval " q "1 microsecond" q ", ticket"
    if (what == "accepted") {
        printf "PREPARE request AS INSERT INTO coupon_requests (coupon_id, user_id, requested_at, ticket) SELECT %s", rows
        print " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS x (coupon_id, user_id, at, ticket);"
    } else {
        printf "PREPARE request AS INSERT INTO coupon_requests (coupon_id, user_id, requested_at, ticket, outcome, user_coupon_id,"
        printf " decision, decided_at) SELECT %s, " q "SUCCESS" q ", id, id, now()", rows
        print " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS x (coupon_id, user_id, at, ticket, id);"
        print "PREPARE coupon AS INSERT INTO user_coupons (user_coupon_id, coupon_id, user_id)"
        print " SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]);"
    }
    for (n = 0; n < 100000; ) {
        coupons = users = times = tickets = ""
        for (comma = ""; comma == "" || n % 500; comma = ",") {
            coupons = coupons comma 1
            users = users comma (n * 38197 % 100000 + 1)
            times = times comma sprintf("%.0f", 1800000000000000 + n * 41)
            tickets = tickets comma (n + 1)
            n++
        }
        if (what == "decided")
            print "BEGIN;"
        printf "EXECUTE request (%s, %s, %s, %s", array(coupons), array(users), array(times), array(tickets)
        if (what == "decided") {
            printf ", %s);\n", array(tickets)
            printf "EXECUTE coupon (%s, %s, %s);\nCOMMIT;\n", array(tickets), array(coupons), array(users)
        } else {
            print ");"
        }
    }
}
