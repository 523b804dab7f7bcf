// A closed loop of probes with libcurl's multi interface: fresh connections, no sessions, the whole body.
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

static size_t discard(char *data, size_t size, size_t n, void *user) {
	(void)data;
	(void)user;
	return size * n;
}

static CURL *handle(const char *url, const char *ca) {
	CURL *h = curl_easy_init();
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_CAINFO, ca);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, discard);
	curl_easy_setopt(h, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(h, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(h, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	curl_easy_setopt(h, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(h, CURLOPT_TIMEOUT, 10L);
	return h;
}

// loop CA PROBES CONCURRENCY URL...
int main(int argc, char **argv) {
	if (argc < 5)
		return 2;
	int left = atoi(argv[2]), at_once = atoi(argv[3]), urls = argc - 4, running = 0, begun = 0, failed = 0;
	curl_global_init(CURL_GLOBAL_ALL);
	CURLM *multi = curl_multi_init();
	for (; begun < at_once && begun < left; begun++)
		curl_multi_add_handle(multi, handle(argv[4 + begun % urls], argv[1]));
	int done = 0;
	while (done < left) {
		curl_multi_perform(multi, &running);
		CURLMsg *m;
		int queued;
		while ((m = curl_multi_info_read(multi, &queued))) {
			long status = 0;
			CURL *h = m->easy_handle;
			double total;
			curl_easy_getinfo(h, CURLINFO_TOTAL_TIME, &total);
			curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
			if (m->data.result != CURLE_OK || status != 200)
				failed++;
			done++;
			curl_multi_remove_handle(multi, h);
			if (begun < left) {
				curl_easy_setopt(h, CURLOPT_URL, argv[4 + begun++ % urls]);
				curl_multi_add_handle(multi, h);
			} else {
				curl_easy_cleanup(h);
			}
		}
		if (done < left)
			curl_multi_poll(multi, NULL, 0, 1000, NULL);
	}
	curl_multi_cleanup(multi);
	if (failed)
		fprintf(stderr, "%d of %d probes failed\n", failed, done);
	return failed > 0;
}
