# Lets perfkit purge a Varnish (6 or later): URLs by PURGE, tags by PURGE with `Surrogate-Key`,
# prefixes, hosts and all by BAN. Change the backend, and who may purge.
vcl 4.1;

backend default {
    .host = "127.0.0.1";
    .port = "8080";
}

acl purgers {
    "127.0.0.1";
}

sub vcl_recv {
    if (req.method == "PURGE" || req.method == "BAN") {
        if (!client.ip ~ purgers) {
            return (synth(405, "Not allowed"));
        }
        # What has a meaning in a pattern stands for itself; a space stands between tags. A ban
        # must have no spaces in a pattern.
        if (req.http.Surrogate-Key) {
            set req.http.X-Tags = regsuball(req.http.Surrogate-Key, "([][.*+?(){}|^$\\])", "\\\1");
            set req.http.X-Tags = "(^|\s)(" + regsuball(req.http.X-Tags, " +", "|") + ")(\s|$)";
            ban("obj.http.Surrogate-Key ~ " + req.http.X-Tags);
            return (synth(200, "Banned"));
        }
        if (req.method == "PURGE") {
            return (purge);
        }
        if (req.http.X-Ban-All) {
            ban("obj.status != 0");
        } else if (req.http.X-Ban-Path) {
            set req.http.X-Path = "^" + regsuball(req.http.X-Ban-Path, "([][.*+?(){}|^$\\])", "\\\1");
            ban("obj.http.X-Host == " + req.http.X-Ban-Host + " && obj.http.X-Url ~ " + req.http.X-Path);
        } else if (req.http.X-Ban-Host) {
            ban("obj.http.X-Host == " + req.http.X-Ban-Host);
        } else {
            return (synth(400, "What?"));
        }
        return (synth(200, "Banned"));
    }
}

sub vcl_backend_response {
    # So that bans need no request to be tested: they are done in the background.
    set beresp.http.X-Host = bereq.http.Host;
    set beresp.http.X-Url = bereq.url;
}

sub vcl_deliver {
    unset resp.http.X-Host;
    unset resp.http.X-Url;
    unset resp.http.Surrogate-Key;
}
